"""One Ray Tune run for a whole study: a Tune trial a slot, and our searcher, which gives out what the queue gives.

Tune's state is scratch: it is never restored, and nothing is read from it afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher

from ablative.cluster.failures import policy_of
from ablative.cluster.groups import HEAD_SHARE
from ablative.cluster.groups import WorkerGroups
from ablative.cluster.lane import Lane
from ablative.cluster.tickets import Collected
from ablative.cluster.tickets import Order
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.driving.executor import Finish
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.trials import Trial

MOST_ATTEMPTS = {"retry": 3, "retry_preempted": 20}
"""Executions of a trial by policy; the last loss is recorded."""
LIVES = 3
"""How often the actor of a lane may die without bringing any news."""
AHEAD = 4
"""Trials offered beyond the slots, at most, so that a group need not wait for the driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    trial: Trial
    attempts: int = 1
    lost_seconds: float = 0.0
    queued_seconds: float = 0.0
    was_out_of_memory: bool = False


class QueueSearcher(Searcher):
    """Gives Tune one lane a slot, offers the queue's trials to the groups, and hands their outcomes to `finish`.

    Nothing may be raised into Tune's loop, which would take it for a failure of a lane: the first exception is
    kept in `failure`, and the run is brought to its end.
    """

    def __init__(
        self, *, queue: TrialQueue, finish: Finish, groups: WorkerGroups, order: Callable[[Trial], Order]
    ) -> None:
        """`order`: what a worker group is told to run a trial."""
        super().__init__()
        self.failure: BaseException | None = None
        self._queue = queue
        self._finish = finish
        self._groups = groups
        self._order = order
        self._again: deque[_Running] = deque()
        self._running: dict[str, _Running] = {}
        self._lanes: dict[str, int] = {}
        """Tune trial -> slot."""
        self._lives: Counter[int] = Counter()
        self._closed = False

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next lane, None while there is one for each slot, FINISHED at the end. Tune asks all the time."""
        self._guarded(self._pump)
        if self._closed:
            return str(Searcher.FINISHED)
        free = set(range(self._groups.slots)) - set(self._lanes.values())
        if not free:
            return None
        slot = min(free)
        self._lives[slot] += 1
        if self._lives[slot] > LIVES:
            self._fail(RuntimeError(f"Ray Tune's actors died {LIVES} times while following slot {slot}"))
            return str(Searcher.FINISHED)
        self._lanes[trial_id] = slot
        return {"slot": slot}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Ask the board for the news that a lane has announced."""
        self._lives.pop(result["slot"], None)
        self._guarded(self._take_news)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A lane ended: the board has closed, or the lane's actor died and another one takes its place."""
        self._lanes.pop(trial_id, None)
        self._guarded(self._take_news)

    def save(self, checkpoint_path: str) -> None:
        """Tune's state is never restored: records are the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its searcher to restore it one day; nothing of this one may be restored."""
        return {}

    def _guarded(self, call: Callable[[], None]) -> None:
        if self._closed:
            return
        try:
            call()
        except Exception as error:  # kept, and raised after Tune's loop
            self._fail(error)

    def _pump(self) -> None:
        """Offer what may run; close the board when there is nothing left to wait for."""
        self._groups.check()
        most = self._groups.slots + min(self._groups.slots, AHEAD)
        orders: list[Order] = []
        while len(self._running) < most and (running := self._next()) is not None:
            self._running[running.trial.id] = running
            orders.append(self._order(running.trial))
        self._groups.offer(orders)
        if self._running:
            return
        if self._queue.done:
            self._close()
        elif not self._queue.waits:
            raise RuntimeError("the queue is not done, yet nothing runs and nothing is ready")

    def _next(self) -> _Running | None:
        if self._again:
            return self._again.popleft()
        trial = self._queue.next()
        return None if trial is None else _Running(trial=trial)

    def _take_news(self) -> None:
        news = ray.get(self._groups.board.news.remote())
        for trial_id, point in news.points:
            running = self._running.get(trial_id)
            if running is not None and self._queue.observe(running.trial, point):
                self._groups.board.cancel.remote(trial_id)
        for collected in news.ended:
            self._collect(self._running.pop(collected.trial_id), collected)
        if news.trouble:
            raise StoreError(news.trouble)
        self._pump()

    def _collect(self, running: _Running, collected: Collected) -> None:
        outcome = collected.outcome
        running = replace(running, queued_seconds=running.queued_seconds + collected.queued_seconds)
        again = replace(running, attempts=running.attempts + 1, lost_seconds=running.lost_seconds + outcome.seconds)
        policy = policy_of(outcome.cause)
        if running.attempts < MOST_ATTEMPTS.get(policy, 0):
            self._again.append(again)
        elif policy == "retry_once" and self._groups.retries_out_of_memory and not running.was_out_of_memory:
            self._again.append(replace(again, was_out_of_memory=True))
        else:
            execution = Execution(
                started_at=collected.started_at,
                attempts=running.attempts,
                lost_seconds=running.lost_seconds,
                queued_seconds=running.queued_seconds,
            )
            self._finish(running.trial, outcome, execution)

    def _fail(self, error: Exception) -> None:
        self.failure = error
        self._close()

    def _close(self) -> None:
        self._closed = True
        self._groups.board.close.remote()  # lets go of the lanes, so that Tune comes to its end


def run_tune(searcher: QueueSearcher, groups: WorkerGroups, scratch: str) -> None:
    """Run Tune until the searcher says that it is finished; raise what made it stop early."""
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
    except RuntimeError as error:  # so Tune wraps what it does not expect of an actor: that Ray ended it for memory
        if isinstance(error.__cause__, ray.exceptions.RayError):
            raise error.__cause__ from None
        raise
    if searcher.failure is not None:
        raise searcher.failure
