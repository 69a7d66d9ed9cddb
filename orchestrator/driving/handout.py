"""The loop that all executors share, with real or simulated time: it hands out trials and collects their outcomes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.driving.executor import Finish
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.trials import Trial
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialOutcome

TriesAgain = Callable[[tuple[str, ...]], bool]
"""Whether a trial whose attempts ended with these causes, in order, gets another attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    trial: Trial
    causes: tuple[str, ...] = ()
    """Why its earlier attempts ended."""
    lost_seconds: float = 0.0
    queued_seconds: float = 0.0


class Handout:
    """Hands out a queue's trials and takes their curves and outcomes; knows no clock, process or machine."""

    def __init__(self, queue: TrialQueue, finish: Finish, *, tries_again: TriesAgain = lambda causes: False) -> None:
        """`finish`: called once for each trial that ended for good."""
        self._queue = queue
        self._finish = finish
        self._tries_again = tries_again
        self._again: deque[_Running] = deque()
        self._running: dict[str, _Running] = {}

    def give(self, most: int) -> Iterator[Trial]:
        """Yield trials to start now, until `most` of them run."""
        while len(self._running) < most and (running := self._next()) is not None:
            self._running[running.trial.id] = running
            yield running.trial

    def observe(self, trial_id: str, point: CurvePoint) -> bool:
        """Take a point of a trial's curve; return whether to cancel the trial. False if it has ended."""
        running = self._running.get(trial_id)
        return running is not None and self._queue.observe(running.trial, point)

    def end(self, trial_id: str, outcome: TrialOutcome, *, started_at: datetime, queued_seconds: float = 0.0) -> None:
        """Take the outcome of an attempt: the trial is tried again, or has ended.

        `queued_seconds`: from the handout until `started_at`.
        """
        running = self._running.pop(trial_id)
        causes, queued_seconds = (*running.causes, outcome.cause), running.queued_seconds + queued_seconds
        if self._tries_again(causes):
            lost_seconds = running.lost_seconds + outcome.seconds
            self._again.append(
                replace(running, causes=causes, lost_seconds=lost_seconds, queued_seconds=queued_seconds)
            )
            return
        execution = Execution(
            started_at=started_at,
            attempts=len(causes),
            lost_seconds=running.lost_seconds,
            queued_seconds=queued_seconds,
        )
        self._finish(running.trial, outcome, execution)

    @property
    def done(self) -> bool:
        """Whether all trials have come back and none will follow; to be asked after `give` is exhausted.

        Raises RuntimeError if a trial is owed and yet nothing runs, here or under another driver.
        """
        if self._running:
            return False
        if not (self._queue.done or self._queue.waits):
            raise RuntimeError("the queue is not done, yet nothing runs and nothing is ready")
        return self._queue.done

    def _next(self) -> _Running | None:
        if self._again:
            return self._again.popleft()
        trial = self._queue.next()
        return None if trial is None else _Running(trial=trial)
