"""The in-process executor: one trial after another, for debugging and for quick tests."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from pathlib import Path

from orchestrator.executor import Finish
from orchestrator.queue import TrialQueue
from search_spaces.study import Resources
from trainables.job import CurvePoint
from trainables.job import Report
from trainables.job import TrialJob
from trainables.job import TrialOutcome

RunTrial = Callable[[TrialJob, Report], TrialOutcome]
TRACEBACK_LINES = 12


class InlineExecutor:
    """Runs trials in this process; an `orchestrator.executor.Executor`."""

    def __init__(self, *, run_trial: RunTrial, resources: Resources, cache: Path) -> None:
        """`run_trial` is `trainables.trial.run_trial`, or a simulated one."""
        self._run_trial = run_trial
        self._resources = resources
        self._cache = cache

    def run(self, queue: TrialQueue, finish: Finish) -> None:
        """Run the queue's trials one after another."""
        while (trial := queue.next()) is not None:
            started_at = datetime.now(UTC)
            job = trial.job(cache=str(self._cache), threads=self._resources.cpus_per_worker)
            finish(trial, self._outcome(job), started_at, 1)

    def _outcome(self, job: TrialJob) -> TrialOutcome:
        try:
            return self._run_trial(job, _ignore)
        except Exception as error:  # a trainable that raises must not take its siblings along
            last = "".join(traceback.format_exception(error)).rstrip().splitlines()[-TRACEBACK_LINES:]
            return TrialOutcome(status="failed", cause="trainable_error", error="\n".join(last))


def _ignore(point: CurvePoint) -> None:
    """Curve points are in the outcome."""
