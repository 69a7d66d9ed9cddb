"""Trials that tell the size of the group that runs them; imported by Ray's workers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from dataclasses import replace

from tests.helpers.simulated import SimulatedTrainable
from trainables.job import Link
from trainables.job import TrialJob
from trainables.job import TrialOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """Runs the simulated trainable; workers are counted, and the device is the process of rank 0 and its threads."""

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        import ray.train

        workers = ray.train.get_context().get_world_size()
        outcome = SimulatedTrainable()(job, link)
        return replace(outcome, num_workers=workers, device=f"{os.getpid()} with {job.threads}")
