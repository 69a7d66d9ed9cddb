"""The result of each arm under each condition, as grids of texts."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from ablative.analysis import rounding
from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.grids import MAJORITY_CLASS
from ablative.analysis.showing.grids import Effects
from ablative.analysis.showing.grids import Grid
from ablative.analysis.showing.grids import condition_heading
from ablative.analysis.showing.grids import headline_rows
from ablative.analysis.showing.grids import majority_text
from ablative.analysis.showing.grids import mark_of
from ablative.analysis.showing.grids import marked_cells
from ablative.analysis.showing.grids import mean_text

HOW_TO_READ = "In single conditions: mean ± half of its 95 % interval, below it the difference to {}"


def condition_grids(effects: Effects, plan: StudyPlan, widest: int = 4) -> list[Grid]:
    """One row an arm, one column a condition; above `widest` conditions, one grid a task.

    None where there is one condition: all of them together say the same.
    """
    conditions = {cell.label: cell.condition for cell in plan.cells}
    labels = list(conditions)
    tasks = list(dict.fromkeys(plan.roles.task_of(condition) for condition in conditions.values()))
    if len(labels) < 2:
        return []
    if len(labels) <= widest or len(tasks) < 2:
        return [_condition_grid(effects, plan, labels, f"{plan.headline} by condition", None)]
    return [
        _condition_grid(
            effects,
            plan,
            [label for label in labels if plan.roles.task_of(conditions[label]) == task],
            f"{plan.headline}, {task}",
            plan.roles.task,
        )
        for task in tasks
    ]


def _condition_grid(effects: Effects, plan: StudyPlan, labels: Sequence[str], title: str, said: str | None) -> Grid:
    conditions = {cell.label: cell.condition for cell in plan.cells}
    rows = headline_rows(effects, "cells")
    cells = {(row["arm"], row["condition"]): row for row in rows}
    marked = bool(marked_cells(rows))
    least = [majority_text([row for row in rows if row["condition"] == label]) for label in labels]
    last = [(MAJORITY_CLASS, *(text or rounding.ABSENT for text in least))] if any(least) else []
    return Grid(
        title=title,
        columns=("arm", *(condition_heading(conditions[label], plan.roles, leave_out=said) for label in labels)),
        rows=(
            *((_arm(arm, plan), *(_cell(cells.get((arm, label)), marked) for label in labels)) for arm in plan.arms),
            *last,
        ),
    )


def _cell(row: Mapping[str, Any] | None, marked: bool) -> str:
    """`0.521 ± 0.013`, below it `+0.045 ± 0.012 ▲`; with the number of seeds where some are missing."""
    if row is None or row["mean"] is None:
        return "none recorded" if row is not None else rounding.ABSENT
    text = mean_text(row)
    if row["n"] < row["planned"]:
        text += f" [{row['n']} of {row['planned']}]"
    if row["difference"] is None:
        return text
    if marked:
        return f"{text}\n{rounding.signed_with_ends(row)} {mark_of(row)}"
    return f"{text}\n{rounding.signed_with_half(row['difference'], row['diff_ci_low'], row['diff_ci_high'])}"


def _arm(arm: str, plan: StudyPlan) -> str:
    if arm == plan.reference:
        return f"{arm} (reference)"
    return f"{arm} (control)" if arm in plan.controls else arm
