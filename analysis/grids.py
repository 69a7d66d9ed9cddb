"""The result table as a grid of texts, ready for a terminal, a page or a plain file."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis import numbers
from analysis.comparison import ALL_CONDITIONS
from analysis.effects import NO_DIFFERENCE
from analysis.effects import NOT_ENOUGH
from analysis.effects import REFERENCE
from analysis.plan import StudyPlan
from analysis.plan import condition_label

MARKS: Mapping[str, str] = {
    "better": "▲",
    "worse": "▼",
    "higher": "▲",
    "lower": "▼",
    NO_DIFFERENCE: "=",
    NOT_ENOUGH: "?",
    REFERENCE: "",
}
"""Sign of each verdict in a grid's cells."""

_CORRECTED = {
    "holm": "Holm-corrected",
    "benjamini_hochberg": "corrected for the share of false findings (Benjamini and Hochberg)",
    "none": "no correction for the number of comparisons",
}

Effects = Sequence[Mapping[str, Any]]
"""Rows of the view `effects`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of texts, each of one or two lines. The first column names the arm, or the claim."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def condition_heading(condition: Mapping[str, Any], leave_out: Sequence[str] = ()) -> str:
    """Return `snli_ve 1 %` for a condition; `leave_out` names paths that are said elsewhere."""
    parts = [_value(path, value) for path, value in condition.items() if path not in leave_out]
    return " ".join(parts) or ("result" if not condition else condition_label(condition))


def headline_rows(effects: Effects, family: str) -> list[Mapping[str, Any]]:
    """Return the rows of the headline metric in one family, in the study's order."""
    return [row for row in effects if row["is_headline"] and row["family"] == family]


def pooled_grid(effects: Effects, plan: StudyPlan) -> Grid:
    """Each arm over all conditions: the primary comparisons."""
    title = f"{plan.headline} over {ALL_CONDITIONS}: difference to {plan.reference} (primary comparison)"
    columns = ("arm", "mean", "difference", "95 % interval", "p corrected", "blocks", "verdict")
    return Grid(title=title, columns=columns, rows=tuple(map(_pooled_row, headline_rows(effects, "pooled"))))


def claims_grids(claims: Sequence[Mapping[str, Any]]) -> list[Grid]:
    """The comparisons that the study declared (rows of the view `claims`), if there are any."""
    if not claims:
        return []
    columns = ("claim", "arm", "against", "difference", "95 % interval", "p corrected", "blocks", "verdict")
    rows = (
        (
            row["claim"],
            row["arm"],
            row["against"],
            numbers.signed(row["difference"], _half(row)),
            numbers.interval(row["diff_ci_low"], row["diff_ci_high"]),
            numbers.p_text(row["p_corrected"]),
            str(row["n_pairs"]),
            row["verdict"],
        )
        for row in claims
    )
    return [Grid(title="Declared claims, corrected among themselves", columns=columns, rows=tuple(rows))]


def condition_grids(effects: Effects, plan: StudyPlan, widest: int = 4) -> list[Grid]:
    """Arms by rows, conditions by columns; more conditions than `widest` are shown a task at a time."""
    conditions = {cell.label: cell.condition for cell in plan.cells}
    labels = list(conditions)
    tasks = list(dict.fromkeys(condition.get("task.name") for condition in conditions.values()))
    if len(labels) <= widest or len(tasks) < 2:
        return [_condition_grid(effects, plan, labels, f"{plan.headline} by condition", ())]
    return [
        _condition_grid(
            effects,
            plan,
            [label for label in labels if conditions[label].get("task.name") == task],
            f"{plan.headline}, {task}",
            ("task.name",),
        )
        for task in tasks
    ]


def legend(effects: Effects, plan: StudyPlan) -> str:
    """Say what the marks in the grids mean, for the verdicts that occur."""
    found = {row["verdict"] for row in effects if row["is_headline"]}
    marks = [f"{mark} {verdict}" for verdict, mark in MARKS.items() if mark and verdict in found]
    if NOT_ENOUGH in found:
        short = [row for row in effects if row["is_headline"] and row["verdict"] == NOT_ENOUGH]
        marks[-1] += f" (these comparisons need {max(row['pairs_needed'] for row in short)} pairs to show anything)"
    corrected = _CORRECTED[plan.comparisons.correction]
    judged = f"sign-flip test, {corrected}, alpha {plan.comparisons.alpha:g}"
    mean = f"mean ± half of its 95 % interval, below it the difference to {plan.reference}"
    return "; ".join([mean, *marks, judged, *_looks(plan)])


def shortfall(effects: Effects) -> list[str]:
    """Say for each arm how many planned confirm trials failed or are missing; empty if none."""
    return [
        f"{row['arm']}: {row['failed']} of {row['planned']} confirm trials failed, {row['missing']} missing"
        for row in headline_rows(effects, "pooled")
        if row["failed"] or row["missing"]
    ]


def _looks(plan: StudyPlan) -> list[str]:
    """Say when comparisons could end before all seeds were run."""
    sequential = plan.seeds.sequential
    if sequential is None:
        return []
    *before, last = plan.seeds.looks
    when = f"{', '.join(map(str, before))} or {last}"
    return [f"p-values corrected for looks after {when} seeds ({sequential.spending}), intervals not"]


def _condition_grid(
    effects: Effects, plan: StudyPlan, labels: Sequence[str], title: str, said: tuple[str, ...]
) -> Grid:
    conditions = {cell.label: cell.condition for cell in plan.cells}
    cells = {(row["arm"], row["condition"]): row for row in headline_rows(effects, "cells")}
    return Grid(
        title=title,
        columns=("arm", *(condition_heading(conditions[label], said) for label in labels)),
        rows=tuple((_arm(arm, plan), *(_cell(cells.get((arm, label))) for label in labels)) for arm in plan.arms),
    )


def _cell(row: Mapping[str, Any] | None) -> str:
    """`0.521 ± 0.013`, below it `+0.045 ▲`; with the number of seeds where some are missing."""
    if row is None or row["mean"] is None:
        return "none recorded" if row is not None else numbers.ABSENT
    text = numbers.with_half(row["mean"], row["ci_low"], row["ci_high"])
    if row["n"] < row["planned"]:
        text += f" [{row['n']} of {row['planned']}]"
    if row["difference"] is None:
        return text
    mark = MARKS[row["verdict"]]
    return f"{text}\n{numbers.signed(row['difference'], _half(row))} {mark}"


def _pooled_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['arm']} (control)" if row["is_control"] else row["arm"],
        numbers.ABSENT if row["mean"] is None else f"{row['mean']:.3f}",
        numbers.signed(row["difference"], _half(row)),
        numbers.interval(row["diff_ci_low"], row["diff_ci_high"]),
        numbers.p_text(row["p_corrected"]),
        str(row["n"] if row["is_reference"] else row["n_pairs"]),
        row["verdict"],
    )


def _half(row: Mapping[str, Any]) -> float | None:
    return None if row["diff_ci_low"] is None else (row["diff_ci_high"] - row["diff_ci_low"]) / 2


def _arm(arm: str, plan: StudyPlan) -> str:
    if arm == plan.reference:
        return f"{arm} (reference)"
    return f"{arm} (control)" if arm in plan.controls else arm


def _value(path: str, value: Any) -> str:
    if path == "task.data_fraction":
        return numbers.share(value)
    return str(value) if path == "task.name" else f"{path.rpartition('.')[2]}={value}"
