"""One Ray Tune run for a whole study: our searcher proposes what the trial queue gives, a thin trainable follows it.

Tune's state is scratch: it is never restored, and nothing is read from it afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher

from cluster.follower import Follower
from cluster.groups import HEAD_SHARE
from cluster.groups import WorkerGroups
from orchestrator.executor import Finish
from orchestrator.queue import TrialQueue
from orchestrator.records import Execution
from orchestrator.trials import Trial
from trainables.job import TrialJob

ATTEMPTS = 3
"""Executions of a trial whose workers are lost; the last loss is recorded."""


@dataclass(slots=True, kw_only=True)
class _Running:
    trial: Trial
    attempts: int
    followers: int = 1
    """Tune trials started for this attempt; more than one where a follower died."""


class QueueSearcher(Searcher):
    """Gives Tune the queue's trials, at most `slots` at a time, and hands their outcomes to `finish`.

    Nothing may be raised into Tune's loop, which would take it for a failure of the trial: the first exception is
    kept in `failure`, and the run is brought to its end.
    """

    def __init__(
        self, *, queue: TrialQueue, finish: Finish, groups: WorkerGroups, slots: int, job: Callable[[Trial], TrialJob]
    ) -> None:
        super().__init__()
        self.failure: BaseException | None = None
        self._queue = queue
        self._finish = finish
        self._groups = groups
        self._slots = slots
        self._job = job
        self._again: deque[_Running] = deque()
        self._running: dict[str, _Running] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the configuration of the next Tune trial, None while nothing is ready, FINISHED at the end."""
        try:
            return self._suggest(trial_id)
        except Exception as error:  # kept, and raised after Tune's loop
            self._fail(error)
            return str(Searcher.FINISHED)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Curve points are in the outcome."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Collect the outcome that the Tune trial followed."""
        running = self._running.pop(trial_id, None)
        if running is None or self.failure is not None:
            return
        try:
            self._collect(running)
        except Exception as failure:  # kept, and raised after Tune's loop
            self._fail(failure)

    def save(self, checkpoint_path: str) -> None:
        """Tune's state is never restored: records are the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its searcher to restore it one day; nothing of this one may be restored."""
        return {}

    def _suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self.failure is not None:
            return str(Searcher.FINISHED)
        self._groups.check()
        if len(self._running) >= self._slots:
            return None
        running = self._next()
        if running is None:
            if self._running:
                return None
            if self._queue.done:
                return str(Searcher.FINISHED)
            raise RuntimeError("the queue is not done, yet nothing runs and nothing is ready")
        ray.get(self._groups.board.offer.remote(self._job(running.trial)))
        self._running[trial_id] = running
        return {"trial": running.trial.id}

    def _next(self) -> _Running | None:
        if self._again:
            return self._again.popleft()
        trial = self._queue.next()
        return None if trial is None else _Running(trial=trial, attempts=1)

    def _collect(self, running: _Running) -> None:
        collected = ray.get(self._groups.board.collect.remote(running.trial.id))
        if collected is None:  # the follower died; the trial itself goes on, and another one follows it
            if running.followers >= ATTEMPTS:
                raise RuntimeError(f"Ray Tune's actors died {ATTEMPTS} times while following trial {running.trial.id}")
            running.followers += 1
            self._again.append(running)
        elif collected.outcome.cause == "worker_lost" and running.attempts < ATTEMPTS:
            self._again.append(_Running(trial=running.trial, attempts=running.attempts + 1))
        else:
            execution = Execution(started_at=collected.started_at, attempts=running.attempts)
            self._finish(running.trial, collected.outcome, execution)

    def _fail(self, error: Exception) -> None:
        self.failure = error
        self._groups.board.close.remote()  # lets go of the followers, so that Tune comes to its end


def run_tune(searcher: QueueSearcher, groups: WorkerGroups, scratch: str) -> None:
    """Run Tune until the searcher says that it is finished; raise what made it stop early."""
    trainable = tune.with_resources(
        tune.with_parameters(Follower, board=groups.board), tune.PlacementGroupFactory([HEAD_SHARE])
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
        run_config=tune.RunConfig(
            name="study",
            storage_path=scratch,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    tuner.fit()
    if searcher.failure is not None:
        raise searcher.failure
