"""Real trials that tell which process ran them; imported by Ray's workers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from dataclasses import replace

from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Runs the real trial; the process that ran it is the outcome's device."""

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        from ablative.trainables.trial import run_trial

        return replace(run_trial(job, link), device=str(os.getpid()))
