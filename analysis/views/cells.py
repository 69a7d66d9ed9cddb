"""The views `cells` and `studies`: the plan, its progress, and the confirmed result of each cell."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.analysis.numbers.statistics import t_interval
from ablative.analysis.plan import CellPlan
from ablative.analysis.plan import StudyPlan
from ablative.analysis.trials import decoded

CELL_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("cell", pa.string(), nullable=False),
        pa.field("cell_id", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("is_reference", pa.bool_(), nullable=False),
        pa.field("is_control", pa.bool_(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("search_total", pa.int64()),
        pa.field("search_recorded", pa.int64(), nullable=False),
        pa.field("confirm_total", pa.int64()),
        pa.field("confirm_recorded", pa.int64(), nullable=False),
        pa.field("failed", pa.int64(), nullable=False),
        pa.field("stopped", pa.int64(), nullable=False),
        pa.field("parameters", pa.string()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("mean", pa.float64()),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field("trial_ids", pa.list_(pa.string()), nullable=False),
    ]
)

STUDY_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("mode", pa.string(), nullable=False),
        pa.field("headline", pa.string(), nullable=False),
        pa.field("reference", pa.string()),
        pa.field("correction", pa.string(), nullable=False),
        pa.field("alpha", pa.float64(), nullable=False),
        pa.field("arms", pa.int64(), nullable=False),
        pa.field("conditions", pa.int64(), nullable=False),
        pa.field("search_seeds", pa.list_(pa.int64()), nullable=False),
        pa.field("confirm_seeds", pa.list_(pa.int64()), nullable=False),
        pa.field("completed", pa.int64(), nullable=False),
        pa.field("stopped", pa.int64(), nullable=False),
        pa.field("failed", pa.int64(), nullable=False),
        pa.field("device_seconds", pa.float64(), nullable=False),
    ]
)

Row = dict[str, Any]


def cells_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return one row per planned cell of a study, from its records (in `RECORD_SCHEMA`)."""
    of_cell: dict[str, list[Row]] = {cell.name: [] for cell in plan.cells}
    for row in _current(records, plan):
        if (cell := plan.cell_of(row)) is not None:
            of_cell[cell.name].append(row)
    rows = [_cell(cell, of_cell[cell.name], plan) for cell in plan.cells]
    return pa.Table.from_pylist(rows, schema=CELL_SCHEMA)


def studies_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return the row of one study; a trial in two cells counts once."""
    rows = list({row["trial_id"]: row for row in _current(records, plan)}.values())
    content = {
        "study": plan.study,
        "question": plan.question,
        "target": plan.target.metric,
        "mode": plan.target.mode,
        "headline": plan.headline,
        "reference": plan.reference,
        "correction": plan.comparisons.correction,
        "alpha": plan.comparisons.alpha,
        "arms": len(plan.arms),
        "conditions": len(plan.conditions),
        "search_seeds": plan.seeds.search,
        "confirm_seeds": plan.seeds.confirm,
        **{status: _count(rows, "status", status) for status in ("completed", "stopped", "failed")},
        "device_seconds": math.fsum(row["device_seconds"] for row in rows),
    }
    return pa.Table.from_pylist([content], schema=STUDY_SCHEMA)


def _current(records: pa.Table, plan: StudyPlan) -> list[Row]:
    return [row for row in decoded(records) if plan.current is None or row["trial_id"] in plan.current]


def _cell(cell: CellPlan, rows: Sequence[Row], plan: StudyPlan) -> Row:
    confirm = sorted((row for row in rows if row["phase"] == "confirm"), key=lambda row: row["seed"])
    sound = [row for row in confirm if math.isfinite(row["metrics"].get(plan.headline, math.nan))]
    values = [row["metrics"][plan.headline] for row in sound]
    settings = {json.dumps(row["parameters"]) for row in confirm}
    low, high = t_interval(values) or (None, None)
    return {
        "study": plan.study,
        "cell": cell.name,
        "cell_id": cell.cell_id,
        "arm": cell.arm,
        "is_reference": cell.is_reference,
        "is_control": cell.is_control,
        "condition": cell.label,
        "state": cell.state,
        "search_total": cell.search_total,
        "search_recorded": _count(rows, "phase", "search"),
        "confirm_total": cell.confirm_total,
        "confirm_recorded": len(confirm),
        "failed": _count(rows, "status", "failed"),
        "stopped": _count(rows, "status", "stopped"),
        "parameters": next(iter(settings)) if len(settings) == 1 else None,
        "metric": plan.headline,
        "n": len(values),
        "mean": float(np.mean(values)) if values else None,
        "ci_low": low,
        "ci_high": high,
        "trial_ids": [row["trial_id"] for row in sound],
    }


def _count(rows: Sequence[Row], column: str, value: str) -> int:
    return sum(row[column] == value for row in rows)
