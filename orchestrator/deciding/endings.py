"""How trials end: the record to write for a trial, and what the queue remembers afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Literal

from ablative.orchestrator.learned import telling
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.stopping import Mode
from ablative.search_spaces.stopping import best_so_far
from ablative.search_spaces.study import Study
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The part of a record that decisions need; small, because a driver holds one for every trial of its study."""

    status: Literal["completed", "failed", "stopped"]
    cause: str
    cell_id: str
    value: float | None
    """Target of a completed trial, if it is finite."""
    headline: float | None
    """The study's headline metric, likewise; search trials lack it if it is on test."""
    device_seconds: float
    learned: Mapping[str, float] = field(default_factory=dict)
    """For a confirm trial in a study with looks: metrics that show whether its arm has learned anything."""

    @property
    def completed(self) -> bool:
        """Whether the trial gave metrics."""
        return self.status == "completed"


def result_of(record: Record, study: Study) -> Result:
    """Return the part of `record` that a study remembers."""
    return Result(
        status=record.status,
        cause=record.cause,
        cell_id=record.cell_id,
        value=_finite(record, study.target.metric),
        headline=_finite(record, study.headline),
        device_seconds=record.device_seconds,
        learned=_learned(record, study) if study.seeds.sequential and record.phase == "confirm" else {},
    )


def _learned(record: Record, study: Study) -> dict[str, float]:
    names = telling((study.target.metric, study.headline))
    return {name: value for name in names if (value := _finite(record, name)) is not None}


def _finite(record: Record, metric: str) -> float | None:
    value = record.metrics.get(metric) if record.completed else None
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A trial with its outcome and execution."""

    trial: Trial
    outcome: TrialOutcome
    execution: Execution

    def after(self, earlier: Ending | None) -> Ending:
        """Return this ending plus the cost of an earlier part of the same trial, up to a pause."""
        if earlier is None:
            return self
        before, now = earlier.execution, self.execution
        longer = max(self.outcome.curve, earlier.outcome.curve, key=len)  # a crash may bring none
        execution = replace(
            now,
            attempts=before.attempts + now.attempts - 1,
            lost_seconds=before.lost_seconds + now.lost_seconds,
            queued_seconds=before.queued_seconds + now.queued_seconds,
        )
        return replace(self, outcome=replace(self.outcome, curve=longer), execution=execution)

    def stopped(self, cause: str, metric: str, mode: Mode) -> Ending:
        """Return this ending as that of a trial stopped by a rule, with its best target so far."""
        values = curve_values(self.outcome.curve, metric)
        metrics = {metric: best_so_far(values, mode)[-1]} if values else {}
        return replace(self, outcome=replace(self.outcome, status="stopped", cause=cause, metrics=metrics))


def curve_values(curve: tuple[CurvePoint, ...], metric: str) -> tuple[float, ...]:
    """Return the values of `metric` (`split/name`) along a curve, by step."""
    split, name = metric.split("/", 1)
    points = {point.step: point.value for point in curve if (point.split, point.metric) == (split, name)}
    return tuple(points[step] for step in sorted(points))
