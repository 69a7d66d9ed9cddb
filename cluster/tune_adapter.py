"""One Ray Tune run for a whole study: its trials are lanes, and our searcher hands out the queue's trials.

Tune's state is scratch: it is never restored or read afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher

from ablative.cluster.board import LANES
from ablative.cluster.groups import HEAD_SHARE
from ablative.cluster.groups import WorkerGroups
from ablative.cluster.lane import Lane
from ablative.cluster.metrics import StudyMetrics
from ablative.cluster.tickets import Order
from ablative.orchestrator.driving.handout import Handout
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.trials import Trial

LIVES = 3
"""How often a lane's actor may die without bringing news."""
AHEAD = 4
"""Most trials offered beyond the number of slots, so that a group need not wait for the driver."""


class QueueSearcher(Searcher):
    """Gives Tune its lanes, offers trials to the groups, and hands their outcomes back.

    An exception in Tune's loop would count as a lane's failure, so none is raised there. The first one is kept in
    `failure`, and the run ends.
    """

    def __init__(
        self, handout: Handout, groups: WorkerGroups, order: Callable[[Trial], Order], metrics: StudyMetrics
    ) -> None:
        """`order`: makes the order for a worker group to run a trial."""
        super().__init__()
        self.failure: BaseException | None = None
        self._handout = handout
        self._groups = groups
        self._order = order
        self._metrics = metrics
        self._lanes: dict[str, int] = {}
        """Tune trial -> lane."""
        self._lives: Counter[int] = Counter()
        self._closed = False

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next lane, None while all are there, FINISHED at the end. Tune asks all the time."""
        self._guarded(self._pump)
        if self._closed:
            return str(Searcher.FINISHED)
        free = set(range(min(LANES, self._groups.slots))) - set(self._lanes.values())
        if not free:
            return None
        lane = min(free)
        self._lives[lane] += 1
        if self._lives[lane] > LIVES:
            self._fail(RuntimeError(f"Ray Tune's actors died {LIVES} times while following lane {lane}"))
            return str(Searcher.FINISHED)
        self._lanes[trial_id] = lane
        return {"lane": lane}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Fetch the news that a lane has announced from the board."""
        self._lives.pop(result["lane"], None)
        self._guarded(self._take_news)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A lane ended: the board has closed, or the lane's actor died and a new one replaces it."""
        self._lanes.pop(trial_id, None)
        self._guarded(self._take_news)

    def save(self, checkpoint_path: str) -> None:
        """Tune's state is never restored: records are the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its searcher to restore it later; this one must never be restored."""
        return {}

    def _guarded(self, call: Callable[[], None]) -> None:
        if self._closed:
            return
        try:
            call()
        except Exception as error:  # kept, and raised after Tune's loop
            self._fail(error)

    def _pump(self) -> None:
        """Offer the trials that may run; close the board when there is nothing left to wait for."""
        if (slots := self._groups.check()) is not None:
            self._metrics.show(slots)
        most = self._groups.slots + min(self._groups.slots, AHEAD)
        self._groups.offer([self._order(trial) for trial in self._handout.give(most)])
        if self._handout.done:
            self._close()

    def _take_news(self) -> None:
        news = ray.get(self._groups.board.news.remote())
        for trial_id, point in news.points:
            if self._handout.observe(trial_id, point):
                self._groups.board.cancel.remote(trial_id)
        for ended in news.ended:
            self._metrics.ended(ended.outcome)
            self._handout.end(
                ended.trial_id, ended.outcome, started_at=ended.started_at, queued_seconds=ended.queued_seconds
            )
        if news.trouble:
            raise StoreError(news.trouble)
        self._pump()

    def _fail(self, error: Exception) -> None:
        self.failure = error
        self._close()

    def _close(self) -> None:
        self._closed = True
        self._groups.board.close.remote()  # lets go of the lanes, so that Tune comes to its end


def run_tune(searcher: QueueSearcher, groups: WorkerGroups, scratch: str) -> None:
    """Run Tune until the searcher is finished; raise the exception that stopped it early, if any."""
    trainable = tune.with_resources(
        tune.with_parameters(Lane, board=groups.board), tune.PlacementGroupFactory([HEAD_SHARE])
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1),
        run_config=tune.RunConfig(
            name="study",
            storage_path=scratch,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except RuntimeError as error:  # Tune wraps an unexpected end of an actor this way: Ray ended it for memory
        if isinstance(error.__cause__, ray.exceptions.RayError):
            raise error.__cause__ from None
        raise
    if searcher.failure is not None:
        raise searcher.failure
