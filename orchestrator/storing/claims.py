"""Claims: which trials this driver may run while other drivers run the same study."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from ablative.orchestrator.storing.leases import Leases
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.trials import Trial


class Claims(Protocol):
    """The queue asks it before a trial starts. A key is a trial's id, or a cell's if the cell decides rungs."""

    def claim(self, keys: Iterable[str]) -> set[str]:
        """Return those of `keys` that are this driver's now."""
        ...

    def release(self, keys: Iterable[str]) -> None:
        """Release keys whose trials are recorded."""
        ...

    def recorded(self, trials: Sequence[Trial]) -> list[Record]:
        """Return the records of `trials` that other drivers have put into the store."""
        ...

    def is_due(self) -> bool:
        """Return whether it is time to look again at the trials of other drivers."""
        ...


class SoleDriver:
    """Claims without any other driver: everything is granted."""

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


class StudyClaims:
    """This driver's claims by leases in the store; a context, to enter before reading the records."""

    LOOK_AGAIN_S = 2.0
    """Seconds between looks at whether other drivers have recorded their trials."""

    def __init__(
        self,
        leases: Leases,
        find: Callable[[Sequence[str]], list[Record]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`find` gives the store's present records of trials, whoever wrote them."""
        self._leases = leases
        self._find = find
        self._clock = clock
        self._look_at = 0.0

    def __enter__(self) -> StudyClaims:
        self._leases.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leases.__exit__(kind, error, trace)

    def claim(self, keys: Iterable[str]) -> set[str]:
        """Return those of `keys` that no other live driver claims."""
        return self._leases.claim(keys)

    def release(self, keys: Iterable[str]) -> None:
        """Let others have the keys."""
        self._leases.release(keys)

    def recorded(self, trials: Sequence[Trial]) -> list[Record]:
        """Look after the claim: another driver may have recorded a trial and released it just before."""
        return self._find([trial.id for trial in trials])

    def is_due(self) -> bool:
        """Return whether it is time to look again, every few seconds."""
        now = self._clock()
        if now < self._look_at:
            return False
        self._look_at = now + self.LOOK_AGAIN_S
        return True
