"""Trials that evaluate, hang, want memory and leave it behind, and a queue that watches them.

Imported by Ray's workers.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.deciding.recorded import Recorded
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.design import cells
from ablative.search_spaces.study import Study
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from tests.helpers.simulated import make_inputs
from tests.helpers.simulated import make_study

EVALUATIONS = 4
LEAK_MB = 500
LEFT_BEHIND: list[bytes] = []
"""What trials of this process left in memory."""


def plain_study(seeds: int) -> Study:
    """Return a study of one cell that searches nothing: one trial a seed, and none waits for another."""
    confirm = list(range(1, seeds + 1))
    arms = {"listed": {"plain": {}}}
    return make_study(arms=arms, conditions={}, search={}, seeds={"search": [0], "confirm": confirm})


class WatchingQueue(TrialQueue):
    """A queue that asks for every point and cancels nothing."""

    def __init__(self, study: Study) -> None:
        super().__init__(study, cells(study, TrialConfig, canonical), Recorded(), make_inputs())
        self.seen: list[tuple[int, CurvePoint]] = []
        """(Seed of the trial, point), in order of arrival."""

    @property
    def observes(self) -> bool:
        """Always."""
        return True

    def observe(self, trial: Trial, point: CurvePoint) -> bool:
        """See `TrialQueue`."""
        self.seen.append((trial.seed, point))
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restless:
    """Evaluates some times; the process that ran it is the outcome's device."""

    marks: str
    """Folder in which what happens once leaves its mark."""
    hangs: int = -1
    """Seed that never comes back."""
    out_of_memory_once: int = -1
    """Seed that wants more memory than there is; its mark is the process that could not give it."""
    out_of_memory: int = -1
    """Seed that wants it again and again."""
    leaks: int = -1
    """Seed that leaves memory behind."""
    killed_once: int = -1
    """Seed whose process is ended once, as Ray does for want of memory."""

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        mark = Path(self.marks) / str(job.seed)
        is_first = not mark.exists()
        if job.seed == self.out_of_memory or (job.seed == self.out_of_memory_once and is_first):
            mark.write_text(str(os.getpid()))
            raise MemoryError("no room for another tensor")
        if job.seed == self.killed_once and is_first:
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        curve = tuple(
            CurvePoint(step=step, split="val", metric="accuracy", value=step / 100, seconds=0.1 * step)
            for step in range(1, EVALUATIONS + 1)
        )
        for point in curve:
            link.report(point)
            link.stop_requested()  # as every trial asks after each evaluation
        if job.seed == self.hangs:
            time.sleep(3600)
        if job.seed == self.leaks:
            LEFT_BEHIND.append(b"x" * (LEAK_MB << 20))
        return TrialOutcome(
            status="completed", metrics={"val/accuracy": 0.5}, curve=curve, seconds=0.1, device=str(os.getpid())
        )
