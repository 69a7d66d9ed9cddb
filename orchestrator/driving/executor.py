"""The seam between the trials to run and the place where they run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.trials import Trial
from ablative.trainables.job import TrialOutcome


class Finish(Protocol):
    """Called once for each ended trial, in one thread of the driver: stores the record, then updates the queue."""

    def __call__(self, trial: Trial, outcome: TrialOutcome, execution: Execution) -> None:
        """Record `outcome`; a paused trial goes back to the queue instead."""
        ...


class Executor(Protocol):
    """Runs trials until the queue is done."""

    def open(self, queue: TrialQueue) -> AbstractContextManager[None]:
        """Context in which the queue's trials are prepared and run.

        Raises ClusterError, before any preparation, if there is nowhere to run or a trial can never fit.
        """
        ...

    def run(self, queue: TrialQueue, finish: Finish) -> float:
        """Take trials from `queue.next()` until `queue.done`; call `finish` for each.

        Return the device seconds that were held for it, used or not.

        `queue.next()` gives None while nothing is ready; only a call of `finish` changes that. A failed trial is an
        outcome, never an exception. Raises ClusterError when there is nowhere to run, KeyboardInterrupt after a clean
        stop.
        """
        ...

    def reached(self) -> Mapping[str, float]:
        """Return running trial id -> known progress. From any thread."""
        ...

    def waits_for(self) -> str:
        """Return what the run waits for beside its trials, as a clause; empty if nothing. From any thread."""
        ...
