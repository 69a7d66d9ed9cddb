"""The in-process executor: one trial after another, for debugging and for quick tests."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from contextlib import nullcontext
from datetime import UTC
from datetime import datetime
from pathlib import Path

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.driving.executor import Finish
from ablative.orchestrator.driving.handout import Handout
from ablative.orchestrator.storing.checkpoints import StoredLink
from ablative.search_spaces.study import Resources
from ablative.trainables.boundary import attempt
from ablative.trainables.job import RunTrial

WAIT_S = 0.2


class InlineExecutor:
    """Runs trials in this process; an `orchestrator.driving.executor.Executor`."""

    def __init__(self, *, run_trial: RunTrial, resources: Resources, cache: Path, checkpoints: str = "") -> None:
        """`run_trial`: of a trainable; `checkpoints`: folder or URI, or none."""
        self._run_trial = run_trial
        self._resources = resources
        self._cache = cache
        self._checkpoints = checkpoints

    def open(self, queue: TrialQueue) -> AbstractContextManager[None]:
        """There is nothing to open."""
        return nullcontext()

    def waits_for(self) -> str:
        """Nothing."""
        return ""

    def run(self, queue: TrialQueue, finish: Finish) -> float:
        """Run the queue's trials one after another; return the seconds that it took."""
        began = time.monotonic()
        handout = Handout(queue, finish)
        while True:
            for trial in handout.give(1):
                started_at = datetime.now(UTC)
                job = trial.job(cache=str(self._cache), resources=self._resources, checkpoints=self._checkpoints)
                handout.end(trial.id, attempt(self._run_trial, job, StoredLink(job)), started_at=started_at)
            if handout.done:
                return time.monotonic() - began
            time.sleep(WAIT_S)  # another driver runs what is left
