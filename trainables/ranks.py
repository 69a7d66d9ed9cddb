"""A trial's view of its fellow workers, from torch's process group alone.

Imports no torch: if there is a process group, torch is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from typing import cast

from ablative.trainables.errors import ElsewhereError
from ablative.trainables.errors import cause_of

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
        import torch.distributed

        found: list[T | None] = [None] * self.world
        torch.distributed.all_gather_object(found, value)
        return found  # type: ignore[return-value]

    def agreed(self, value: T) -> T:
        """Return rank 0's `value`; all ranks must call it."""
        if self.world == 1:
            return value
        import torch.distributed

        holder = [value]
        torch.distributed.broadcast_object_list(holder, src=0)
        return holder[0]

    def on_first(self, call: Callable[[], T]) -> T:
        """Return the result of `call` on rank 0; all ranks must call this, and all raise if it raises."""
        if self.world == 1:
            return call()
        value: T | None = None
        raised: Exception | None = None
        if self.is_first:
            try:
                value = call()
            except Exception as error:  # whatever it is, the others wait for it; raised again below
                raised = error
        told = None if raised is None else (cause_of(raised), f"{type(raised).__name__} on rank 0: {raised}")
        value, failed = self.agreed((value, told))
        if raised is not None:
            raise raised
        if failed is not None:
            raise ElsewhereError(*failed)
        return cast("T", value)


def current_ranks() -> Ranks:
    """Rank and size of the process group; alone without one."""
    group = sys.modules.get("torch.distributed")
    if group is not None and group.is_available() and group.is_initialized():
        return Ranks(rank=group.get_rank(), world=group.get_world_size())
    return Ranks(rank=0, world=1)
