"""What a trial knows of its fellow workers, from torch's process group alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch.distributed

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """This worker's number and how many there are."""

    rank: int
    world: int

    @property
    def is_first(self) -> bool:
        """True on the worker that evaluates and reports."""
        return self.rank == 0

    def gathered(self, value: T) -> list[T]:
        """Return every rank's `value`, by rank; all ranks must call it."""
        if self.world == 1:
            return [value]
        found: list[T | None] = [None] * self.world
        torch.distributed.all_gather_object(found, value)
        return found  # type: ignore[return-value]

    def agreed(self, value: T) -> T:
        """Return rank 0's `value`; all ranks must call it."""
        if self.world == 1:
            return value
        holder = [value]
        torch.distributed.broadcast_object_list(holder, src=0)
        return holder[0]


def current_ranks() -> Ranks:
    """Rank and size of the process group; alone without one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return Ranks(rank=torch.distributed.get_rank(), world=torch.distributed.get_world_size())
    return Ranks(rank=0, world=1)
