"""What the confirm phase observed: completed values by arm, condition and seed, and the trials that failed."""

from __future__ import annotations

import math
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.plan import StudyPlan

_OBSERVED = ("cell_id", "seed", "status", "task", "metrics")
"""Columns that are read of a record."""

Place = tuple[str, str]
"""(arm, condition label): one cell of the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """Confirm trials that the study's present plan holds. Search trials are not among them."""

    values: Mapping[str, Mapping[Place, Mapping[int, float]]]
    """metric -> place -> seed -> finite value."""
    failed: Mapping[Place, frozenset[int]]
    """Seeds of failed trials."""
    tasks: Mapping[str, str]
    """Condition label -> task."""
    observed: frozenset[str]
    """Conditions in which at least one trial is completed."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics seen, sorted; what is only a record of training (`train/...`) left out."""
        return tuple(sorted(name for name in self.values if not name.startswith("train/")))

    def of(self, metric: str, place: Place) -> Mapping[int, float]:
        """Return seed -> value; empty where nothing was observed."""
        return self.values.get(metric, {}).get(place, {})

    def conditions(self, metric: str, plan: StudyPlan) -> tuple[str, ...]:
        """Conditions that have `metric`: where it was seen, and where nothing at all was seen yet.

        A task may lack a metric or a split. A condition without a completed trial counts, so that the number of
        comparisons, and with it the correction, never starts too small.
        """
        seen = {condition for _, condition in self.values.get(metric, {})}
        return tuple(label for label in plan.conditions if label in seen or label not in self.observed)


def observe(records: pa.Table, plan: StudyPlan) -> Observations:
    """Return the observations in `records` (in `RECORD_SCHEMA`).

    Left out: search trials, trials that the plan no longer holds, seeds that it does not confirm with, and values
    that are not finite.
    """
    rows = _counting(records, plan).to_pylist()
    labels = {cell.cell_id: (cell.arm, cell.label) for cell in plan.cells}
    values: dict[str, dict[Place, dict[int, float]]] = {}
    failed: dict[Place, set[int]] = {}
    for row in rows:
        place = labels[row["cell_id"]]
        if row["status"] != "completed":
            failed.setdefault(place, set()).add(row["seed"])
        for metric, value in row["metrics"] if row["status"] == "completed" else ():
            if math.isfinite(value):
                values.setdefault(metric, {}).setdefault(place, {})[row["seed"]] = value
    return Observations(
        values=values,
        failed={place: frozenset(seeds) for place, seeds in failed.items()},
        tasks=_tasks(rows, plan, labels),
        observed=frozenset(labels[row["cell_id"]][1] for row in rows if row["status"] == "completed"),
    )


def _counting(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return what is observed of the records: the confirm trials that the plan holds."""
    current = plan.current
    wanted = [
        pc.equal(records["phase"], "confirm"),
        _among(records["cell_id"], [cell.cell_id for cell in plan.cells]),
        _among(records["seed"], plan.seeds.confirm),
        *([] if current is None else [_among(records["trial_id"], current)]),
    ]
    return records.select(_OBSERVED).filter(reduce(pc.and_, wanted))


def _among(column: pa.ChunkedArray, values: Collection[Any]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(list(values), column.type))


def _tasks(rows: list[dict[str, Any]], plan: StudyPlan, labels: Mapping[str, Place]) -> dict[str, str]:
    """Task of each condition, as it says itself; a study that does not cross tasks has one, the records' own."""
    only = str(rows[0]["task"]) if rows else ""
    return {label: only for _, label in labels.values()} | {
        cell.label: str(cell.condition["task.name"]) for cell in plan.cells if "task.name" in cell.condition
    }
