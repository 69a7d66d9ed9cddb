"""Trials with troubles of their own, by seed; imported by Ray's workers."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from ablative.trainables.errors import Hindered
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.simulated import SimulatedTrainable


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubled:
    """Runs the simulated trainable; the process that ran it is the outcome's device."""

    marks: str
    """Folder in which what happens once leaves its mark."""
    hangs: int = -1
    out_of_memory_once: int = -1
    out_of_memory: int = -1
    hindered: int = -1

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        mark = Path(self.marks) / job.trial_id
        first = not mark.exists()
        mark.touch()
        if job.seed == self.hindered:
            raise Hindered("/cache: No space left on device; make room there")
        if job.seed == self.hangs:
            time.sleep(600)
        if job.seed == self.out_of_memory or (job.seed == self.out_of_memory_once and first):
            raise MemoryError("no room for another tensor")
        return replace(SimulatedTrainable()(job, link), device=str(os.getpid()))
