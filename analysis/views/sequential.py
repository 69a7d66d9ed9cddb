"""Sequential seeds: which comparisons are clear at a look.

A p-value at a look that may spend the part a of alpha counts as p * alpha / a. That is a p-value for whatever look a
comparison ends at, because the parts add up to alpha; so Holm's correction and every verdict stay as they are, and a
comparison that is clear at a look stays so when the others have gone on (docs/statistics.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.verdicts import EQUIVALENT
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.pairing.verdicts import holds
from ablative.analysis.plan import read_plan
from ablative.analysis.views.effects import pooled_rows


def clear_arms(stored: Mapping[str, Any], values: Mapping[str, Mapping[int, float]]) -> frozenset[str]:
    """Return the arms whose primary comparison is decided, whatever the lost trials would have said.

    It shows a difference; or, in a study with a margin, that there is none beyond it: more seeds could not change what
    is equivalent, and their cost would be for nothing.

    `stored`: as in study.json. `values`: cell name -> confirm seed -> headline value.
    """
    plan = read_plan(stored)
    places = {cell.name: (cell.arm, cell.label) for cell in plan.cells}
    tasks = {cell.label: plan.roles.task_of(cell.condition) or "" for cell in plan.cells}
    observations = Observations(
        values={plan.headline: {places[cell]: found for cell, found in values.items()}},
        # Also where nothing was found: a condition without a value lacks the metric, and waits for nothing.
        completed={places[cell]: frozenset(found) for cell, found in values.items()},
        failed={
            (cell.arm, cell.label): frozenset(plan.seeds.confirm[: cell.confirm_total or 0]) - values[cell.name].keys()
            for cell in plan.cells
        },
        tasks=tasks,
    )
    decided = (*SHOWN, EQUIVALENT)
    return frozenset(row["arm"] for row in pooled_rows(observations, plan) if row["verdict"] in decided and holds(row))
