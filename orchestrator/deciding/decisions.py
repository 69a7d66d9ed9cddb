"""Decisions over several cells: which of the waiting cells go on, and which cells exist at all."""

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
"""Gives a cell its trials; for a cell that is confirmed only if chosen, with the search seeds it starts with."""
Seen = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Cell name -> confirm seed -> metric -> value: the headline, and the metrics that show whether an arm has learned."""
Judge = Callable[[Mapping[str, Any], Seen], frozenset[str]]
"""Takes the contents of study.json and the observations; returns the arms whose comparison is clear."""


class Decisions(Protocol):
    """Receives all cells that came forward; a function of the study and its records, never of timing."""

    def begin(self, cells: Sequence[Cell]) -> list[CellTrials]:
        """Return the cells that a study starts with."""
        ...

    def decide(self, advanced: Sequence[CellTrials], known: Known) -> list[CellTrials]:
        """Decide everything that is complete; return the cells that this has changed or made."""
        ...

    def undecided(self) -> int:
        """Return how many trials are certain to follow from future decisions."""
        ...

    def may_follow(self) -> int:
        """Return how many more trials follow, unless decisions spare them."""
        ...

    def order(self, cells: Sequence[CellTrials]) -> list[CellTrials]:
        """Return all cells in display order."""
        ...


class EachAlone:
    """Nothing to decide: a cell is done once it is confirmed."""

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
