"""The ablation table as papers print it: arms by rows, tasks and data fractions by columns."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields
from typing import Any

from ablative.analysis.errors import AnalysisError
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.pairing.verdicts import holds
from ablative.analysis.plan import Roles
from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.examples_line import left_open
from ablative.analysis.showing.findings import luck_line
from ablative.analysis.showing.findings import rows_of_test_size
from ablative.analysis.showing.grids import condition_heading
from ablative.analysis.showing.grids import legend
from ablative.analysis.showing.grids import mark_of
from ablative.analysis.showing.grids import marked_cells
from ablative.analysis.showing.grids import shortfall
from ablative.analysis.showing.grids import undecided
from ablative.analysis.views.results import Results
from ablative.analysis.views.search_luck import search_luck
from ablative.search_spaces.searches import how_searched

_BOLD = "Bold: the best of its column, where the difference to the reference is shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One arm under one condition, or over all of them."""

    mean: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    """Confirm seeds with a value; blocks over all conditions."""
    planned: int
    difference: float | None
    """To the reference, paired."""
    diff_ci_low: float | None
    diff_ci_high: float | None
    p_corrected: float | None
    verdict_ci_low: float | None
    """Of the interval that goes with the verdict."""
    verdict_ci_high: float | None
    verdict: str
    mark: str
    """Of its verdict; none in single conditions where no comparison could reach significance."""
    best: bool
    """Whether no other arm of the column has a better mean, and a verdict shows it: `better` than the reference, or
    the reference where every other arm is `worse`. Only arms with every planned seed take part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The difference of an arm of a ladder to the rung above it, over all conditions, with its 95 % interval."""

    difference: float | None
    ci_low: float | None
    ci_high: float | None
    n_pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One arm."""

    arm: str
    is_reference: bool
    is_control: bool
    entries: tuple[Entry | None, ...]
    """One a column; None where the condition lacks the metric."""
    pooled: Entry
    step: Step | None
    """Only of the rungs of a ladder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable:
    """The table of one metric."""

    study: str
    metric: str
    reference: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    """(Task, headings of its columns), in the study's order; one group without a name where tasks are not crossed."""
    rows: tuple[Row, ...]
    """The arms, then the controls."""
    notes: tuple[str, ...]
    """What the marks mean, and what failed, is missing or was stopped."""

    @property
    def has_steps(self) -> bool:
        """Whether the arms are rungs of a ladder."""
        return any(row.step is not None for row in self.rows)


def paper_table(results: Results, study: str, metric: str | None = None) -> PaperTable:
    """Return the table of `study`, one of `results`, for `metric`, the headline if None.

    Raises `AnalysisError` for a metric that no confirm trial has.
    """
    plan = results.comparable(study)
    metric = metric or plan.headline
    effects = [row for row in results.effects.to_pylist() if row["study"] == study]
    rows = {(row["arm"], row["condition"]): row for row in effects if row["metric"] == metric}
    if not rows:
        known = ", ".join(dict.fromkeys(row["metric"] for row in effects))
        raise AnalysisError(f"study {study!r}: no confirm trial has the metric {metric!r}; there are: {known}")
    labels, groups = _columns(plan, {condition for _, condition in rows})
    observations = observe(results.observed(study), plan)
    cells = [row for row in rows.values() if row["family"] == "cells"] if len(labels) > 1 else []
    marked = [*(row for row in rows.values() if row["family"] == "pooled"), *marked_cells(cells)]
    shown = [row for row in marked if row["difference" if row["family"] == "pooled" else "mean"] is not None]
    table_rows = _rows(plan, rows, marked, labels, _steps(observations, plan, metric))
    bold = any(entry is not None and entry.best for row in table_rows for entry in (*row.entries, row.pooled))
    notes = [
        legend(shown, plan),
        plan.late_line,
        _BOLD if bold else "",
        undecided(cells),
        *shortfall(effects),
        left_open(rows_of_test_size(results, study)) if metric == plan.headline else "",
        *_stopped(results, study),
        luck_line(search_luck(results.tried(study), observations, plan)),
        *how_searched(repeats=plan.search.repeats, nested=plan.seeds.nested, shared=plan.search.shared),
    ]
    return PaperTable(
        study=study,
        metric=metric,
        reference=plan.reference or "",
        groups=groups,
        rows=table_rows,
        notes=tuple(line.removesuffix(".") for line in notes if line),
    )


def _columns(plan: StudyPlan, observed: set[str]) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    """Return the conditions in the order of the columns, and the headings."""
    conditions = {cell.label: cell.condition for cell in plan.cells if cell.label in observed}
    tasks = dict.fromkeys(plan.roles.task_of(condition) or "" for condition in conditions.values())
    by_task = {
        task: [label for label, condition in conditions.items() if (plan.roles.task_of(condition) or "") == task]
        for task in tasks
    }
    groups = tuple(
        (task, tuple(_heading(conditions[label], plan.roles) for label in labels)) for task, labels in by_task.items()
    )
    return tuple(label for labels in by_task.values() for label in labels), groups


def _heading(condition: Mapping[str, Any], roles: Roles) -> str:
    """Return what a column says below its task; nothing where the task is all that is crossed."""
    return "" if list(condition) == [roles.task] else condition_heading(condition, roles, leave_out=roles.task)


def _rows(
    plan: StudyPlan,
    found: Mapping[tuple[str, str], Mapping[str, Any]],
    marked: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    steps: Mapping[str, Step],
) -> tuple[Row, ...]:
    pooled = next(condition for _, condition in found if condition not in plan.conditions)
    columns = {label: {arm: row for (arm, of), row in found.items() if of == label} for label in (*labels, pooled)}
    best = {label: _best(plan, column, marked) for label, column in columns.items()}

    def entry(arm: str, label: str) -> Entry | None:
        row = found.get((arm, label))
        return None if row is None else _entry(row, row in marked, arm == best[label])

    arms = sorted(plan.arms, key=lambda arm: arm in plan.controls)
    return tuple(
        Row(
            arm=arm,
            is_reference=arm == plan.reference,
            is_control=arm in plan.controls,
            entries=tuple(entry(arm, label) for label in labels),
            pooled=_entry(found[arm, pooled], True, arm == best[pooled]),
            step=steps.get(arm),
        )
        for arm in arms
    )


def _entry(row: Mapping[str, Any], marked: bool, best: bool) -> Entry:
    same = [field.name for field in fields(Entry) if field.name not in ("planned", "mark", "best")]
    return Entry(
        **{name: row[name] for name in same}, planned=row["planned"], mark=mark_of(row) if marked else "", best=best
    )


def _best(plan: StudyPlan, column: Mapping[str, Mapping[str, Any]], marked: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the arm whose mean is the best of a column (arm -> row), if a verdict that is shown says so."""
    means = {
        arm: row["mean"]
        for arm, row in column.items()
        if row["mean"] is not None and not row["failed"] and not row["missing"]
    }
    if not means or any(row not in marked for row in column.values()):
        return None
    best = (max if plan.target.mode == "max" else min)(means, key=means.__getitem__)
    if best == plan.reference:
        shown = all(row["verdict"] == "worse" and holds(row) for arm, row in column.items() if arm != best)
        return best if shown and len(column) > 1 else None
    return best if column[best]["verdict"] == "better" and holds(column[best]) else None


def _steps(observations: Observations, plan: StudyPlan, metric: str) -> dict[str, Step]:
    if plan.designed.design != "ladder":
        return {}
    rungs = [arm for arm in plan.arms if arm not in plan.controls]
    pairing = pairing_of(observations, plan, metric)
    pairs = zip(rungs[1:], rungs, strict=False)
    return {arm: _step(pairing.against(below).pooled(arm)) for arm, below in pairs}


def _step(item: ArmDifference) -> Step:
    low, high = item.difference_interval or (None, None)
    return Step(difference=item.difference, ci_low=low, ci_high=high, n_pairs=len(item.differences))


def _stopped(results: Results, study: str) -> list[str]:
    stopped = sum(row["stopped"] for row in results.cells.to_pylist() if row["study"] == study)
    return [f"{stopped} search trials were stopped early; they are in none of these numbers"] if stopped else []
