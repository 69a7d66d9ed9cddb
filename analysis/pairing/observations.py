"""Observations of the confirm phase: completed values by arm, condition and seed, and the failed trials."""

from __future__ import annotations

import math
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ablative.analysis.plan import StudyPlan
from ablative.orchestrator.learned import NOT_ABOVE
from ablative.orchestrator.learned import is_result
from ablative.orchestrator.learned import lack
from ablative.orchestrator.storing.flat_trials import metric_columns

OBSERVED = ("trial_id", "cell", "cell_id", "arm", "phase", "seed", "status", "task", "data_digest", "identity_version")
"""Columns of a record, besides metrics, that comparisons read: its identity, and whether it may be compared."""

Place = tuple[str, str]
"""(arm, condition label): one cell of the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """Confirm trials that the study's present plan holds, without search trials."""

    values: Mapping[str, Mapping[Place, Mapping[int, float]]]
    """metric -> place -> seed -> finite value."""
    completed: Mapping[Place, frozenset[int]]
    """Seeds of completed trials, with or without a finite value."""
    failed: Mapping[Place, frozenset[int]]
    """Seeds of failed trials."""
    tasks: Mapping[str, str]
    """Condition label -> task."""
    lacks: Mapping[Place, str] = field(default_factory=dict)
    """Place -> why its trials have learned nothing; others, and unknown ones, are left out."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics seen, sorted."""
        return tuple(sorted(filter(is_result, self.values)))

    def lack(self, arms: Collection[str], conditions: Collection[str]) -> str:
        """Return why none of the arms has learned anything in any of the conditions; empty if one has."""
        found = {self.lacks.get((arm, label), "") for arm in arms for label in conditions}
        if not found or "" in found:
            return ""
        return found.pop() if len(found) == 1 else NOT_ABOVE

    def lost(self, metric: str, place: Place) -> frozenset[int]:
        """Return the seeds whose trials ended without a value: failed, or completed with one that is not finite."""
        ended = self.completed.get(place, frozenset()) | self.failed.get(place, frozenset())
        return ended - self.of(metric, place).keys()

    def of(self, metric: str, place: Place) -> Mapping[int, float]:
        """Return seed -> value; empty if nothing was observed."""
        return self.values.get(metric, {}).get(place, {})

    def conditions(self, metric: str, plan: StudyPlan) -> tuple[str, ...]:
        """Conditions that have `metric`: those where it was seen, and those without any completed trial.

        A task may lack a metric or a split. A condition without a completed trial counts, so the number of
        comparisons, and with it the correction, never starts too small.
        """
        seen = {condition for _, condition in self.values.get(metric, {})}
        observed = {condition for _, condition in self.completed}
        return tuple(label for label in plan.conditions if label in seen or label not in observed)


def observe(records: pa.Table, plan: StudyPlan) -> Observations:
    """Return the observations in `records` (in `RECORD_SCHEMA`, or in the view `trials`).

    Left out are search trials, trials that the plan no longer holds, seeds outside its confirm seeds, and values that
    are not finite.
    """
    counting = counting_records(records, plan)
    rows = counting.select((plan.place_column, "seed", "status", "task")).to_pylist()
    places = {name: (cell.arm, cell.label) for name, cell in plan.cells_at.items()}
    ended: dict[str, dict[Place, set[int]]] = {"completed": {}, "failed": {}}
    given = []
    for row in rows:
        place, completed = places[row[plan.place_column]], row["status"] == "completed"
        ended["completed" if completed else "failed"].setdefault(place, set()).add(row["seed"])
        given.append((place, row["seed"]) if completed else None)
    metrics = {name: _values(column.to_pylist(), given) for name, column in metric_columns(counting).items()}
    found = {name: values for name, values in metrics.items() if values}
    completed, failed = (
        {place: frozenset(seeds) for place, seeds in of.items()} for of in (ended["completed"], ended["failed"])
    )
    return Observations(
        values=found,
        completed=completed,
        failed=failed,
        tasks=_tasks(rows, plan),
        lacks=lacks_of(found, set(completed), plan),
    )


def lacks_of(
    values: Mapping[str, Mapping[Place, Mapping[int, float]]], places: Iterable[Place], plan: StudyPlan
) -> dict[Place, str]:
    """Return why places have learned nothing, for those that have not (`values` as in `Observations`)."""
    looked_at = (plan.target.metric, plan.headline)
    of_place = {place: {name: of[place] for name, of in values.items() if place in of} for place in places}
    lacks = {place: lack(found, looked_at, plan.target.mode) for place, found in of_place.items()}
    return {place: reason for place, reason in lacks.items() if reason}


def _values(
    column: Iterable[float | None], places: Iterable[tuple[Place, int] | None]
) -> dict[Place, dict[int, float]]:
    """Return place -> seed -> value, for the finite values with a place."""
    found: dict[Place, dict[int, float]] = {}
    for value, placed in zip(column, places, strict=True):
        if placed is not None and value is not None and math.isfinite(value):
            found.setdefault(placed[0], {})[placed[1]] = value
    return found


def counting_records(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return the observations in the records: the confirm trials that the plan holds."""
    current = plan.current
    wanted = [
        pc.equal(records["phase"], "confirm"),
        _among(records[plan.place_column], plan.cells_at),
        _among(records["seed"], plan.seeds.confirm),
        *([] if current is None else [_among(records["trial_id"], current)]),
    ]
    return records.filter(reduce(pc.and_, wanted))


def _among(column: pa.ChunkedArray, values: Collection[Any]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(list(values), column.type))


def _tasks(rows: list[dict[str, Any]], plan: StudyPlan) -> dict[str, str]:
    """Task of each condition, from its own settings; a study that does not cross tasks has one, from the records."""
    only = str(rows[0]["task"]) if rows else ""
    return {cell.label: plan.roles.task_of(cell.condition) or only for cell in plan.cells}
