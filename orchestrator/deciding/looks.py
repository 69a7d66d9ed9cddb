"""Sequential seeds: the study looks at its comparisons on the way, and clear ones get no further confirm seeds.

A look is due when every cell has its values up to there, so it does not depend on how many trials run at once. The
analysis judges which comparisons are clear; it corrects for the looks by the alpha that each may spend.
"""

from __future__ import annotations

from collections.abc import Sequence

from ablative.orchestrator.deciding.cell_search import Known
from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.deciding.cell_trials import planned
from ablative.orchestrator.deciding.decisions import EachAlone
from ablative.orchestrator.deciding.decisions import Judge
from ablative.orchestrator.deciding.decisions import Make
from ablative.orchestrator.storing.plan import study_content
from ablative.search_spaces.design import Cell
from ablative.search_spaces.study import Study


class Looks(EachAlone):
    """Decides which arms go on at each look."""

    def __init__(self, study: Study, make: Make, judge: Judge) -> None:
        super().__init__(make)
        self._study = study
        self._judge = judge
        self._cells: list[CellTrials] = []
        self._short: set[CellTrials] = set()
        """Cells that have not reached the next look."""
        self._looks = list(study.seeds.looks[1:])

    def begin(self, cells: Sequence[Cell]) -> list[CellTrials]:
        """See `Decisions`."""
        self._cells = super().begin(cells)
        self._short = set(self._cells)
        return self._cells

    def decide(self, advanced: Sequence[CellTrials], known: Known) -> list[CellTrials]:
        """Look, if a look is due."""
        self._short.difference_update(cell for cell in advanced if cell.state == "waiting" or cell.has_ended)
        if self._short or all(cell.has_ended for cell in self._cells):
            return []
        waiting = [cell for cell in self._cells if cell.state == "waiting"]
        going = self._going(known) if self._looks else frozenset()
        seeds = self._study.seeds.confirm[: self._looks.pop(0)] if self._looks else ()
        for cell in waiting:
            if cell.cell.arm in going:
                cell.confirm_with(seeds)
                self._short.add(cell)
            else:
                cell.end()
        return waiting

    def may_follow(self) -> int:
        """Return how many trials follow if no further comparison becomes clear."""
        most = len(self._study.seeds.confirm)
        going = (cell for cell in self._cells if not cell.has_ended)
        return sum((most - len(cell.confirm_seeds)) * cell.trials_a_seed for cell in going)

    def _going(self, known: Known) -> frozenset[str]:
        """Return the arms that get further seeds; the reference arm continues as long as any other."""
        content = study_content(self._study, self._cells[0].roles, [planned(cell) for cell in self._cells])
        clear = self._judge(content, {cell.cell.name: self._seen(cell, known) for cell in self._cells})
        compared = {cell.cell.arm for cell in self._cells if not (cell.cell.is_reference or cell.has_ended)}
        reference = {cell.cell.arm for cell in self._cells if cell.cell.is_reference}
        return frozenset((compared - clear) | reference if compared - clear else ())

    def _seen(self, cell: CellTrials, known: Known) -> dict[int, dict[str, float]]:
        results = {trial.seed: known[trial.id] for trial in cell.confirm if trial.id in known}
        return {
            seed: {**result.learned, self._study.headline: result.headline}
            for seed, result in results.items()
            if result.headline is not None
        }
