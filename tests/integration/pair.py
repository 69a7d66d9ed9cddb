"""What two workers of one trial run together; imported by workers."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from dataclasses import replace

from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from tests.helpers.simulated import SimulatedTrainable


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAccidents:
    """Accidents of rank 1 alone, in confirm trials of the arm with dropout, by seed."""

    marks: str
    """Folder in which what happens once leaves its mark."""
    killed_once: int
    raises: int

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Sum 1 and 2 over the process group; the sum is the outcome's device."""
        import torch
        import torch.distributed

        rank = torch.distributed.get_rank()
        if rank == 1 and job.config.student.dropout == 0.2:
            if job.seed == self.raises:
                raise RuntimeError("rank 1 raises alone")
            mark = os.path.join(self.marks, job.trial_id)
            if job.seed == self.killed_once and not os.path.exists(mark):
                open(mark, "x").close()
                os.kill(os.getpid(), signal.SIGKILL)
        total = torch.tensor([rank + 1.0])
        torch.distributed.all_reduce(total)
        return replace(SimulatedTrainable()(job, link), device=f"total {total.item():g}")
