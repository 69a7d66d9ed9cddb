"""The settings that the searches of each cell tried: one entry per setting, over its search seeds."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ablative.analysis.plan import StudyPlan
from ablative.analysis.trials import decoded
from ablative.orchestrator.reached import Ended
from ablative.orchestrator.reached import Reached
from ablative.orchestrator.reached import reached
from ablative.search_spaces.searches import search_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched(Reached):
    """One setting of a cell's search."""

    parameters: Mapping[str, Any]


def searched(records: pa.Table, plan: StudyPlan) -> dict[str, list[Searched]]:
    """Return cell name -> settings of the present plan in the order proposed, one search after another."""
    trials: dict[str, dict[tuple[int, int], list[dict[str, Any]]]] = {cell.name: {} for cell in plan.cells}
    for row in decoded(records):
        counts = plan.current is None or row["trial_id"] in plan.current
        if counts and row["phase"] == "search" and (cell := plan.cell_of(row)) is not None:
            number = _search_of(row["seed"], plan)
            trials[cell.name].setdefault((number, row["proposal"]), []).append(row)
    return {name: [_setting(of[number], plan) for number in sorted(of)] for name, of in trials.items()}


def count(settings: Sequence[Searched], state: str) -> int:
    """Return how many settings are in `state`."""
    return sum(setting.state == state for setting in settings)


def _search_of(seed: int, plan: StudyPlan) -> int:
    return search_of(seed, plan.seeds.search, repeats=plan.search.repeats, nested=plan.seeds.nested)


def _setting(rows: Sequence[dict[str, Any]], plan: StudyPlan) -> Searched:
    trials: list[Ended | None] = [(row["status"], row["metrics"].get(plan.target.metric)) for row in rows]
    own = {seed for seed in plan.seeds.search if _search_of(seed, plan) == _search_of(rows[0]["seed"], plan)}
    owed = [None] * (0 if plan.seeds.nested else len(own - {row["seed"] for row in rows}))
    found = reached([*trials, *owed])
    return Searched(parameters=rows[0]["parameters"], state=found.state, value=found.value)
