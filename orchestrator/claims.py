"""Claims: which trials this driver may run while other drivers run the same study."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Protocol

from orchestrator.records import Record
from orchestrator.trials import Trial


class Claims(Protocol):
    """Asked by the queue before a trial starts. A key is a trial's id, or that of a cell which decides rungs."""

    def claim(self, keys: Iterable[str]) -> set[str]:
        """Return those of `keys` that are this driver's now."""
        ...

    def release(self, keys: Iterable[str]) -> None:
        """Let go of keys whose trials are recorded."""
        ...

    def recorded(self, trials: Sequence[Trial]) -> list[Record]:
        """Return the records of `trials` that another driver has put into the store."""
        ...

    def is_due(self) -> bool:
        """Return whether it is time to look again at what other drivers run."""
        ...


class SoleDriver:
    """Claims where there is no other driver: everything is granted."""

    def claim(self, keys: Iterable[str]) -> set[str]:
        """Grant all."""
        return set(keys)

    def release(self, keys: Iterable[str]) -> None:
        """Nothing is held."""

    def recorded(self, trials: Sequence[Trial]) -> list[Record]:
        """Nobody else records."""
        return []

    def is_due(self) -> bool:
        """Nobody else runs anything."""
        return False
