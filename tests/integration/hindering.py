"""Trials of which one finds no room on the disk; imported by Ray's workers."""

from __future__ import annotations

from dataclasses import dataclass

from ablative.trainables.errors import Hindered
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.simulated import SimulatedTrainable


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindering:
    """Runs the simulated trainable, except for one seed."""

    seed: int

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        if job.seed == self.seed:
            raise Hindered("/cache: No space left on device; free some space there")
        return SimulatedTrainable()(job, link)
