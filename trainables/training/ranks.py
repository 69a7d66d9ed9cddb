"""What a trial knows of its fellow workers, from torch's process group alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch.distributed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """This worker's number and how many there are."""

    rank: int
    world: int

    @property
    def is_first(self) -> bool:
        """True on the worker that evaluates and reports."""
        return self.rank == 0


def current_ranks() -> Ranks:
    """Rank and size of the process group; alone without one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return Ranks(rank=torch.distributed.get_rank(), world=torch.distributed.get_world_size())
    return Ranks(rank=0, world=1)
