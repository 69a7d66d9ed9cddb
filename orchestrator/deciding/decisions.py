"""Decisions over several cells: which of the cells that wait go on, and which cells there are at all."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Protocol

from ablative.orchestrator.deciding.cell_search import Known
from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.search_spaces.design import Cell

Make = Callable[[Cell, tuple[int, ...] | None], CellTrials]
"""Gives a cell its trials; of one that is confirmed only if it is chosen, with the search seeds it starts with."""
Seen = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Cell name -> confirm seed -> metric -> value: the headline, and what says whether an arm has learned anything."""
Judge = Callable[[Mapping[str, Any], Seen], frozenset[str]]
"""Takes what study.json holds and what was seen; returns the arms whose comparison is clear."""


class Decisions(Protocol):
    """Told of all cells that came forward; a function of the study and its records, never of timing."""

    def begin(self, cells: Sequence[Cell]) -> list[CellTrials]:
        """Return the cells that a study starts with."""
        ...

    def decide(self, advanced: Sequence[CellTrials], known: Known) -> list[CellTrials]:
        """Decide what is complete; return the cells that this has changed or made."""
        ...

    def undecided(self) -> int:
        """Return how many trials are sure to follow from decisions to come."""
        ...

    def may_follow(self) -> int:
        """Return how many trials follow besides, unless decisions spare them."""
        ...

    def order(self, cells: Sequence[CellTrials]) -> list[CellTrials]:
        """Return all cells in the order in which they are shown."""
        ...


class EachAlone:
    """Nothing to decide: a cell is done when it is confirmed."""

    def __init__(self, make: Make) -> None:
        self._make = make

    def begin(self, cells: Sequence[Cell]) -> list[CellTrials]:
        """See `Decisions`."""
        return [self._make(cell, None) for cell in cells]

    def decide(self, advanced: Sequence[CellTrials], known: Known) -> list[CellTrials]:
        """End the cells that wait."""
        waiting = [cell for cell in advanced if cell.state == "waiting"]
        for cell in waiting:
            cell.end()
        return waiting

    def undecided(self) -> int:
        """None."""
        return 0

    def may_follow(self) -> int:
        """None."""
        return 0

    def order(self, cells: Sequence[CellTrials]) -> list[CellTrials]:
        """As they are."""
        return list(cells)
