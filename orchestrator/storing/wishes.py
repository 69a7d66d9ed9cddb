"""People's wishes to a study's running drivers, from any machine that reaches the store: pause, resume, cancel.

studies/<study>/wishes.json     replaced whole; drivers look at it every few seconds, and never write it
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime
from pydantic import Field

from ablative.frozen import Frozen
from ablative.orchestrator.errors import StoreError

EVERYTHING = "*"
LOOKED_EVERY_S = 2.0


class Wishes(Frozen):
    """Wishes to all drivers of a study. Each key is an arm, the name of a cell, or `*` for all cells."""

    wishes_version: Literal[1] = 1
    paused: tuple[str, ...] = ()
    """No trial of these starts until they are resumed."""
    cancelled: dict[str, AwareDatetime] = Field({}, description="Drivers that began before then start none of these.")

    def with_paused(self, keys: Sequence[str]) -> Wishes:
        """Return the wishes with these paused as well."""
        return self.model_copy(update={"paused": tuple(dict.fromkeys((*self.paused, *keys)))})

    def with_resumed(self, keys: Sequence[str]) -> Wishes:
        """Return the wishes without a pause of these; `*` resumes everything."""
        left = () if EVERYTHING in keys else tuple(key for key in self.paused if key not in keys)
        return self.model_copy(update={"paused": left})

    def with_cancelled(self, keys: Sequence[str], now: datetime) -> Wishes:
        """Return the wishes with these cancelled now."""
        return self.model_copy(update={"cancelled": {**self.cancelled, **dict.fromkeys(keys, now)}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The driver starts no trials of these: arms, names of cells, or `*`."""

    paused: frozenset[str] = frozenset()
    cancelled: frozenset[str] = frozenset()


NOTHING = Held()


class Heeded:
    """The wishes that one driver must heed, read every few seconds."""

    def __init__(
        self, read: Callable[[], Wishes], began: datetime, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`began`: start time of the driver."""
        self._read, self._began, self._clock = read, began, clock
        self._held = NOTHING
        self._look_at = float("-inf")

    def __call__(self) -> Held:
        """Return the keys held just now."""
        if self._clock() >= self._look_at:
            with suppress(StoreError):  # if a store does not answer, nothing changes
                wishes = self._read()
                self._held = Held(
                    paused=frozenset(wishes.paused),
                    cancelled=frozenset(key for key, when in wishes.cancelled.items() if when >= self._began),
                )
            self._look_at = self._clock() + LOOKED_EVERY_S
        return self._held
