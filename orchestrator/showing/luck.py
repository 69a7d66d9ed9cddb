"""The line on the luck of the search in the output of `ablate check` and `ablate plan`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ablative.orchestrator.reached import reached
from ablative.search_spaces.load import LoadedStudy
from ablative.search_spaces.search_risk import Scatter
from ablative.search_spaces.search_risk import SearchDesign
from ablative.search_spaces.search_risk import assumed
from ablative.search_spaces.search_risk import measured
from ablative.search_spaces.search_risk import risk_line
from ablative.search_spaces.search_risk import search_design

if TYPE_CHECKING:  # checking a study needs no queue
    from ablative.orchestrator.deciding.cell_search import Known
    from ablative.orchestrator.deciding.cell_trials import CellTrials
    from ablative.orchestrator.deciding.queue import TrialQueue


def design_of(loaded: LoadedStudy) -> SearchDesign | None:
    """Return the design on which a study's risk depends; None if luck chooses nothing, or results choose the arms."""
    study = loaded.study
    primary = next((family for family in loaded.families if family.name == "primary"), None)
    if primary is None or study.arms.design == "path":
        return None
    tasks = primary.pairs[0] // len(study.seeds.confirm)
    searched = sum(bool(cell.space) for cell in loaded.cells)
    return search_design(study, arms=len(primary.pairs) + 1, tasks=tasks, searched=searched)


def checked_line(loaded: LoadedStudy) -> str:
    """Return the line of a study without records; empty if there is nothing to say."""
    design = design_of(loaded)
    return "" if design is None else risk_line(design, assumed(design))


def planned_line(queue: TrialQueue) -> str:
    """Return the line of a planned study, measured on its records if there are enough."""
    design = _of_queue(queue)
    return "" if design is None else risk_line(design, _scatter(queue, design) or assumed(design))


def _of_queue(queue: TrialQueue) -> SearchDesign | None:
    study, cells = queue.study, queue.cells
    if study.arms.design == "path":
        return None
    tasks = {study.comparisons.blocks == "seed" or cell.roles.task_of(cell.config) for cell in cells}
    searched = sum(bool(cell.cell.space) for cell in cells)
    return search_design(study, arms=len({cell.cell.arm for cell in cells}), tasks=len(tasks), searched=searched)


def _scatter(queue: TrialQueue, design: SearchDesign) -> Scatter | None:
    searches = [values for cell in queue.cells for values in _tried(cell, queue.known)]
    confirmed: dict[str, dict[str, Mapping[int, float]]] = {}
    for cell in queue.cells:
        confirmed.setdefault(repr(cell.cell.condition), {})[cell.cell.arm] = _confirmed(cell, queue.known)
    return measured(searches, confirmed, design.search_seeds)


def _tried(cell: CellTrials, known: Known) -> list[list[float]]:
    """Return the target of each completed setting, by search."""
    found = []
    for search in cell.searches:
        results = ([known.get(trial.id) for trial in setting.trials] for setting in search.proposed)
        settings = [reached(None if one is None else (one.status, one.value) for one in of) for of in results]
        found.append([one.value for one in settings if one.state == "completed" and one.value is not None])
    return found


def _confirmed(cell: CellTrials, known: Known) -> dict[int, float]:
    values = {trial.seed: known[trial.id].value for trial in cell.confirm if trial.id in known}
    return {seed: value for seed, value in values.items() if value is not None and math.isfinite(value)}
