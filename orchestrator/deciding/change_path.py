"""The path design: from the base to the base with all its changes, one change at a time (Fawcett and Hoos 2016).

A round tries each remaining change, on top of those taken so far. It takes the one with the best target on val (the
mean over conditions and search seeds), and only that one's cells are confirmed. So the order is found without the
tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from ablative.orchestrator.deciding.cell_search import Known
from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.deciding.decisions import EachAlone
from ablative.orchestrator.deciding.decisions import Make
from ablative.orchestrator.deciding.racing import survivors
from ablative.orchestrator.inputs import Inputs
from ablative.search_spaces.arms import path_arm
from ablative.search_spaces.arms import path_steps
from ablative.search_spaces.design import Cell
from ablative.search_spaces.design import cells_of
from ablative.search_spaces.design import combinations as conditions_of
from ablative.search_spaces.study import Study


class ChangePath(EachAlone):
    """Decides a path's rounds when they are complete."""

    def __init__(self, study: Study, make: Make, inputs: Inputs) -> None:
        super().__init__(make)
        self._study = study
        self._base = inputs.base(study)
        self._canonical = inputs.trainable.canonical
        self._steps = path_steps(study.arms, self._base)
        self._factors = tuple(step.factor for step in self._steps)
        self._place = {study.arms.base: 0, path_arm(self._steps, self._factors).name: len(self._steps)}
        """Arm -> its number of changes."""
        self.taken: tuple[str, ...] = ()
        """Factors in the order of the path, up to the last decision."""
        self._round: dict[str, list[CellTrials]] = {}
        """Factor on trial -> its cells."""
        self._races = study.arms.order == "racing"
        self._race = self._first_seeds()

    def begin(self, cells: Sequence[Cell]) -> list[CellTrials]:
        """Return the cells known from the start, including the candidates of the first round."""
        factors = {path_arm(self._steps, (factor,)).name: factor for factor in self._factors}
        made = []
        for cell in cells:
            factor = factors.get(cell.arm)
            made.append(self._make(cell, None if factor is None else self._race))
            if factor is not None:
                self._place[cell.arm] = 1
                self._round.setdefault(factor, []).append(made[-1])
        return made

    def decide(self, advanced: Iterable[CellTrials], known: Known) -> list[CellTrials]:
        """Decide every complete round; return the cells that this has changed or made."""
        changed = [cell for cell in advanced if cell.state == "waiting" and cell.confirm]
        for cell in changed:
            cell.end()
        if self._round and all(cell.state in ("waiting", "failed") for cell in self._candidates()):
            changed += self._close(known)
        return changed

    def undecided(self) -> int:
        """Return how many trials will follow from future decisions, if no candidate is given up in a race."""
        if not self._round:
            return 0
        conditions = math.prod(len(values) for values in self._study.conditions.values())
        settings = self._study.search.trials if self._study.search.space else 1
        rest = range(2, len(self._factors) - len(self.taken))
        searched = sum(rest) * settings * len(self._study.seeds.search)
        return conditions * (searched + (len(rest) + 1) * len(self._study.seeds.confirm))

    def order(self, cells: Sequence[CellTrials]) -> list[CellTrials]:
        """Return the cells in the order of the path, condition by condition."""
        conditions = {condition: number for number, condition in enumerate(conditions_of(self._study.conditions))}
        last = len(self._steps) + 1  # listed arms and controls
        return sorted(cells, key=lambda cell: (conditions[cell.cell.condition], self._place.get(cell.cell.arm, last)))

    def _first_seeds(self) -> tuple[int, ...]:
        return self._study.seeds.search[: 1 if self._races else None]

    def _candidates(self) -> list[CellTrials]:
        return [cell for cells in self._round.values() for cell in cells]

    def _close(self, known: Known) -> list[CellTrials]:
        """Continue the race, or take a change and open the next round."""
        tried = self._candidates()
        values = {factor: _blocks(cells, known) for factor, cells in self._round.items()}
        sound = {factor: found for factor, found in values.items() if all(map(math.isfinite, found))}
        seeds = self._study.seeds.search
        left = survivors(sound, self._study.target.mode) if self._races else frozenset(sound)
        if len(self._race) < len(seeds) and len(left) > 1:
            self._race = seeds[: len(self._race) + 1]
            for factor, cells in self._round.items():
                for cell in cells:
                    if factor in left:
                        cell.search_on(self._race)
                    elif cell.state == "waiting":
                        cell.end()
            self._round = {factor: cells for factor, cells in self._round.items() if factor in left}
            return tried
        return tried + self._take({factor: sound[factor] for factor in self._factors if factor in left})

    def _take(self, values: dict[str, list[float]]) -> list[CellTrials]:
        """Confirm the best candidate and leave the others; return the cells of the next round."""
        sign = -1.0 if self._study.target.mode == "max" else 1.0
        best = min(values, key=lambda factor: sign * math.fsum(values[factor]) / len(values[factor]), default=None)
        for factor, cells in self._round.items():
            for cell in cells:
                if factor == best:
                    cell.confirm_with(self._study.seeds.confirm)
                elif cell.state == "waiting":
                    cell.end()
        self._round = {}
        if best is None:  # nothing was completed, so the path ends here
            return []
        self.taken += (best,)
        return self._open_round()

    def _open_round(self) -> list[CellTrials]:
        rest = [factor for factor in self._factors if factor not in self.taken]
        if len(rest) < 2:  # with all changes: this cell is known from the start
            return []
        self._race = self._first_seeds()
        for factor in rest:
            arm = path_arm(self._steps, (*self.taken, factor))
            self._place[arm.name] = len(self.taken) + 1
            made = cells_of(self._study, (arm,), self._base, self._canonical)
            self._round[factor] = [self._make(cell, self._race) for cell in made]
        return self._candidates()


def _blocks(cells: Sequence[CellTrials], known: Known) -> list[float]:
    """Return a candidate's target in each block: each condition, and each seed of its best setting there."""
    return [value for cell in cells for value in cell.best_values(known)]


def path_configs(study: Study, inputs: Inputs) -> list[Any]:
    """Return the configurations of all pairs of changes, which a path may need prepared; empty in another design."""
    if study.arms.design != "path":
        return []
    base = inputs.base(study)
    steps = path_steps(study.arms, base)
    arms = [path_arm(steps, {one.factor, other.factor}) for one, other in combinations(steps, 2)]
    return [cell.config for cell in cells_of(study, arms, base, inputs.trainable.canonical)]
