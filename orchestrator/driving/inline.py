"""The in-process executor: one trial after another, for debugging and for quick tests."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
from ablative.trainables.job import TrialJob

WAIT_S = 0.2


class WatchedLink(StoredLink):
    """The link of a trial whose progress is shown."""

    def __init__(self, job: TrialJob) -> None:
        super().__init__(job)
        self.trial_id = job.trial_id
        self.share = 0.0
        """Progress of the trial."""

    def reached(self, share: float) -> None:
        """Keep it."""
        self.share = share


class InlineExecutor:
    """Runs trials in this process; an `orchestrator.driving.executor.Executor`."""

    def __init__(self, *, run_trial: RunTrial, resources: Resources, cache: Path, checkpoints: str = "") -> None:
        """`run_trial`: of a trainable; `checkpoints`: folder or URI, or none."""
        self._run_trial = run_trial
        self._resources = resources
        self._cache = cache
        self._checkpoints = checkpoints
        self._link: WatchedLink | None = None

    def open(self, queue: TrialQueue) -> AbstractContextManager[None]:
        """There is nothing to open."""
        return nullcontext()

    def reached(self) -> Mapping[str, float]:
        """Return the progress of the running trial."""
        link = self._link
        return {} if link is None else {link.trial_id: link.share}

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
                self._link = WatchedLink(job)
                handout.end(trial.id, attempt(self._run_trial, job, self._link), started_at=started_at)
                self._link = None
            if handout.done:
                return time.monotonic() - began
            time.sleep(WAIT_S)  # another driver runs the remaining trials
