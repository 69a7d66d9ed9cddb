"""The view `budgets`: the expected result of each cell's search with fewer settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.analysis.numbers.search_budget import expected_best
from ablative.analysis.plan import CellPlan
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.searched import Searched
from ablative.analysis.views.searched import count
from ablative.analysis.views.searched import searched

MOST = 100
"""Most budgets shown per cell; for a longer search they are spread evenly by their logarithm."""

BUDGET_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("cell", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("budget", pa.int64()),
        pa.field("expected", pa.float64()),
        pa.field("with_replacement", pa.float64()),
        pa.field("settings", pa.int64(), nullable=False),
        pa.field("stopped", pa.int64(), nullable=False),
        pa.field("failed", pa.int64(), nullable=False),
        pa.field("unfinished", pa.int64(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
    ]
)


def budgets_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return the expected best target of each budget in each cell; one row without a budget if nothing is known.

    A stopped setting counts with the best value it had reached, a failed one as the worst value seen, because a search
    that loses settings has paid for them.
    """
    settings = searched(records, plan)
    rows = [row for cell in plan.cells for row in _cell_rows(cell, settings[cell.name], plan)]
    return pa.Table.from_pylist(rows, schema=BUDGET_SCHEMA)


def _cell_rows(cell: CellPlan, settings: Sequence[Searched], plan: StudyPlan) -> list[dict[str, Any]]:
    values = _values(settings, plan)
    row = {
        "study": plan.study,
        "cell": cell.name,
        "arm": cell.arm,
        "condition": cell.label,
        "target": plan.target.metric,
        "settings": values.size,
        **{state: count(settings, state) for state in ("stopped", "failed", "unfinished")},
        "note": "; ".join(_notes(settings, values, plan)),
    }
    if not values.size:
        return [row]
    budgets = _budgets(values.size)
    expected = expected_best(values, budgets, plan.target.mode)
    again = expected_best(values, budgets, plan.target.mode, replacement=True)
    return [
        {**row, "budget": int(k), "expected": float(best), "with_replacement": float(plug_in)}
        for k, best, plug_in in zip(budgets, expected, again, strict=True)
    ]


def _values(settings: Sequence[Searched], plan: StudyPlan) -> np.ndarray:
    known = [setting.value for setting in settings if setting.value is not None]
    if not known:
        return np.array([])
    worst = min(known) if plan.target.mode == "max" else max(known)
    return np.array([*known, *[worst] * count(settings, "failed")])


def _budgets(settings: int) -> np.ndarray:
    if settings <= MOST:
        return np.arange(1, settings + 1)
    return np.unique(np.geomspace(1, settings, MOST).round().astype(int))


def _notes(settings: Sequence[Searched], values: np.ndarray, plan: StudyPlan) -> list[str]:
    if not values.size:
        return ["no setting has a value"]
    notes = []
    if plan.search.sampler not in ("", "random"):
        notes.append(f"proposed by {plan.search.sampler}, so that settings are no independent draws")
    if count(settings, "stopped"):
        notes.append("stopped settings count with the best they had reached")
    if count(settings, "failed"):
        notes.append("failed settings count as the worst seen")
    return notes
