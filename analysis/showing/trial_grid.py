"""The trials of one phase as a grid: what was run, with which setting, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from ablative.analysis import rounding
from ablative.analysis.plan import Roles
from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.grids import Grid
from ablative.analysis.showing.grids import condition_heading
from ablative.orchestrator.durations import duration

Row = Mapping[str, Any]
"""A record from `analysis.trials.decoded`."""


def trial_grid(rows: Sequence[Row], phase: str, metric: str, plan: StudyPlan) -> Grid:
    """Return one row a trial of `phase` in the plan's order, with its value of `metric`."""
    positions = {name: position for position, name in enumerate(plan.cells_at)}
    found = [row for row in rows if row["phase"] == phase]
    found.sort(key=lambda row: (positions.get(row[plan.place_column], 0), row["proposal"] or 0, row["seed"]))
    return Grid(
        title=f"{phase} trials",
        columns=("arm", "condition", "seed", "setting", "status", metric, "time", "trial"),
        rows=tuple(_trial(row, metric, plan.roles) for row in found),
    )


def _trial(row: Row, metric: str, roles: Roles) -> tuple[str, ...]:
    value = row["metrics"].get(metric)
    return (
        row["arm"],
        condition_heading(row["condition"], roles),
        str(row["seed"]),
        _setting(row),
        row["status"] if row["status"] == "completed" else f"{row['status']}: {row['cause']}",
        rounding.ABSENT if value is None else f"{value:.4f}",
        duration(row["seconds"]),
        row["trial_id"],
    )


def _setting(row: Row) -> str:
    values = [f"{path.rpartition('.')[2]}={_short(value)}" for path, value in row["parameters"].items()]
    return ", ".join(values) or rounding.ABSENT


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
