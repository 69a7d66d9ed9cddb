"""One setting for all arms of a condition: the arms try the same settings, and all confirm the one with the best mean.

No arm is tuned on its own, so no arm can owe its rank to a search that was luckier than the others'.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ablative.orchestrator.deciding.cell_search import Known
from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.deciding.decisions import Decisions
from ablative.orchestrator.reached import reached
from ablative.search_spaces.design import Cell
from ablative.search_spaces.proposals import Setting
from ablative.search_spaces.study import Study


class SharedSearch:
    """Gives cells their settings; decisions about confirmed cells are left to others."""

    def __init__(self, study: Study, others: Decisions) -> None:
        self._study = study
        self._others = others
        self._arms: dict[str, list[CellTrials]] = defaultdict(list)
        """Condition -> the cells that share a setting there."""

    def begin(self, cells: Sequence[Cell]) -> list[CellTrials]:
        """See `Decisions`."""
        begun = self._others.begin(cells)
        for cell in begun:
            if cell.search.given:
                self._arms[_condition(cell)].append(cell)
        return begun

    def decide(self, advanced: Sequence[CellTrials], known: Known) -> list[CellTrials]:
        """Go on once all arms of a condition have run the settings they share."""
        changed: list[CellTrials] = []
        for condition in dict.fromkeys(_condition(cell) for cell in advanced if cell.awaits_setting):
            arms = self._arms[condition]
            if all(cell.awaits_setting for cell in arms):
                self._go_on(arms, known)
                changed += arms
        decided = set(changed)
        told = [cell for cell in advanced if not (cell.awaits_setting or cell in decided)]
        failed = [cell for cell in changed if cell.has_ended]
        return changed + self._others.decide([*told, *failed], known)

    def undecided(self) -> int:
        """See `Decisions`."""
        return self._others.undecided()

    def may_follow(self) -> int:
        """See `Decisions`."""
        return self._others.may_follow()

    def order(self, cells: Sequence[CellTrials]) -> list[CellTrials]:
        """See `Decisions`."""
        return self._others.order(cells)

    def _go_on(self, arms: Sequence[CellTrials], known: Known) -> None:
        leader = max(arms, key=lambda cell: len(cell.cell.space))  # the check ensures that it has all parameters
        settings = [_setting(number, leader, arms, known) for number in range(len(leader.proposed))]
        batch = leader.search.next_batch(settings)
        if batch:
            for cell in arms:
                cell.try_settings(batch)
            return
        sign = -1.0 if self._study.target.mode == "max" else 1.0
        found = [(sign * one.value, number) for number, one in enumerate(settings) if one.value is not None]
        shared = settings[min(found)[1]].parameters if found else None
        for cell in arms:
            cell.settle_on(shared)


def _setting(number: int, leader: CellTrials, arms: Sequence[CellTrials], known: Known) -> Setting:
    """Return a setting with its mean over all arms and search seeds; failed if it failed in one of them."""
    results = [known.get(trial.id) for cell in arms for trial in cell.proposed[number].trials]
    found = reached(None if result is None else (result.status, result.value) for result in results)
    return Setting(parameters=leader.proposed[number].parameters, value=found.value, state=found.state)


def _condition(cell: CellTrials) -> str:
    return repr(cell.cell.condition)
