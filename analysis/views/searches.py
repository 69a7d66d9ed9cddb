"""The view `searches`: was the budget of each search enough, and does its best setting lie at the edge?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.analysis.numbers.search_budget import expected_best
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.search_luck import own_noise
from ablative.analysis.views.tried import Tried
from ablative.analysis.views.tried import tried_settings
from ablative.search_spaces.search_risk import without_noise

FEWEST = 3
"""Least settings to recognise an edge: with two, each lies at one."""

SEARCH_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("cell", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("search", pa.int64(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("settings", pa.int64(), nullable=False),
        pa.field("best", pa.float64()),
        pa.field("at_edge", pa.list_(pa.string()), nullable=False),
        pa.field("second_half", pa.float64()),
        pa.field("own_noise", pa.float64()),
        pa.field("enough", pa.bool_()),
    ]
)


def searches_view(tried: pa.Table, observations: Observations, plan: StudyPlan) -> pa.Table:
    """Return one row per search with a completed setting; `tried`: as in `analysis.views.tried`."""
    return pa.Table.from_pylist(search_rows(tried, observations, plan), schema=SEARCH_SCHEMA)


def search_rows(tried: pa.Table, observations: Observations, plan: StudyPlan) -> list[dict[str, Any]]:
    """Return the rows of `searches_view`.

    `second_half`: the expected gain from the settings beyond half of the budget, by the settings' values without their
    noise (Dodge et al. 2021). The budget was `enough` if that gain is no more than a trial's own noise.
    """
    found = {search: settings for search, settings in tried_settings(tried, plan).items() if settings}
    noise = own_noise(observations, plan)
    each = 1 if plan.seeds.nested else max(1, len(plan.seeds.search) // plan.search.repeats)
    true = without_noise([[one.value for one in settings] for settings in found.values()], (noise or 0.0) / each)
    return [
        _row(search, settings, values, noise, plan)
        for (search, settings), values in zip(found.items(), true, strict=True)
    ]


def _row(
    search: tuple[str, int], settings: Sequence[Tried], values: Sequence[float], noise: float | None, plan: StudyPlan
) -> dict[str, Any]:
    cell = plan.cells_at[search[0]]
    sign = 1.0 if plan.target.mode == "max" else -1.0
    best = max(settings, key=lambda one: sign * one.value)
    gain = _second_half(values, plan)
    own = None if noise is None else math.sqrt(noise)
    return {
        "study": plan.study,
        "cell": cell.name,
        "arm": cell.arm,
        "condition": cell.label,
        "search": search[1],
        "target": plan.target.metric,
        "settings": len(settings),
        "best": best.value,
        "at_edge": _at_edge(best.parameters, [one.parameters for one in settings]),
        "second_half": gain,
        "own_noise": own,
        "enough": None if own is None or gain is None else gain <= own,
    }


def _second_half(values: Sequence[float], plan: StudyPlan) -> float | None:
    if len(values) < 2:
        return None
    half, whole = expected_best(np.array(values), np.array([len(values) // 2, len(values)]), plan.target.mode)
    return float(abs(whole - half))


def _at_edge(best: Mapping[str, Any], tried: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the searched numbers whose best value is the least or the greatest tried."""
    found = []
    for path, value in best.items():
        values = {parameters[path] for parameters in tried if _is_number(parameters.get(path))}
        if len(values) >= FEWEST and value in (min(values), max(values)):
            found.append(path)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
