"""Trials that tell the size of the group that runs them; imported by Ray's workers."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from tests.helpers.simulated import SimulatedTrainable


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """Runs the simulated trainable; workers are counted, and the device is the process of rank 0 and its threads."""

    marks: str = ""
    """Folder in which what happens once leaves its mark."""
    killed_once: int = -1
    """Seed whose trials on two workers lose one."""

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        import ray.train

        context = ray.train.get_context()
        workers, mark = context.get_world_size(), Path(self.marks) / job.trial_id
        if job.seed == self.killed_once and context.get_world_rank() == 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        outcome = SimulatedTrainable()(job, link)
        return replace(outcome, num_workers=workers, device=f"{os.getpid()} with {job.threads}")
