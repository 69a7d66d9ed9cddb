"""The run record: what one trial left behind, as a model and as Arrow tables. The version is the first column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from ablative.frozen import Frozen
from ablative.orchestrator.trials import Phase
from ablative.orchestrator.trials import Trial
from ablative.trainables.job import Cause
from ablative.trainables.job import TrialOutcome

RECORD_VERSION: Literal[3] = 3
"""Raised when a column is added or changes its meaning; files of every earlier version stay readable."""

_TIME = pa.timestamp("us", tz="UTC")
_TEXTS = pa.map_(pa.string(), pa.string())

RECORD_SCHEMA = pa.schema(
    [
        pa.field("record_version", pa.int32(), nullable=False),
        pa.field("trial_id", pa.string(), nullable=False),
        pa.field("study", pa.string(), nullable=False),
        pa.field("source_study", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("is_reference", pa.bool_(), nullable=False),
        pa.field("is_control", pa.bool_(), nullable=False),
        pa.field("cell", pa.string(), nullable=False),
        pa.field("cell_id", pa.string(), nullable=False),
        pa.field("phase", pa.string(), nullable=False),
        pa.field("proposal", pa.int32()),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("cause", pa.string(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("data_fraction", pa.float64(), nullable=False),
        pa.field("condition", _TEXTS, nullable=False),
        pa.field("parameters", _TEXTS, nullable=False),
        pa.field("config", pa.string(), nullable=False),
        pa.field("evaluate", pa.list_(pa.string()), nullable=False),
        pa.field("metrics", pa.map_(pa.string(), pa.float64()), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("device_seconds", pa.float64(), nullable=False),
        pa.field("teacher_passes", pa.int64(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("lost_seconds", pa.float64()),
        pa.field("queued_seconds", pa.float64()),
        pa.field("samples_seen", pa.int64()),
        pa.field("peak_memory_mb", pa.float64()),
        pa.field("num_workers", pa.int32(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
        pa.field("data_digest", pa.string(), nullable=False),
        pa.field("teacher_digest", pa.string(), nullable=False),
        pa.field("student_digest", pa.string(), nullable=False),
        pa.field("identity_version", pa.int32(), nullable=False),
        pa.field("commit", pa.string()),
        pa.field("dirty", pa.bool_()),
        pa.field("versions", _TEXTS, nullable=False),
        pa.field("host", pa.string(), nullable=False),
        pa.field("started_at", _TIME, nullable=False),
        pa.field("finished_at", _TIME, nullable=False),
    ]
)

LATER_COLUMNS = frozenset({"lost_seconds", "queued_seconds", "samples_seen", "peak_memory_mb"})
"""Columns that version 1 does not have."""

CURVE_SCHEMA = pa.schema(
    [
        pa.field("trial_id", pa.string(), nullable=False),
        pa.field("step", pa.int64(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
    ]
)

PREDICTION_SCHEMA = pa.schema(
    [
        pa.field("trial_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("example_id", pa.string(), nullable=False),
        pa.field("prediction", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
    ]
)


class Provenance(Frozen):
    """Which code ran where."""

    commit: str | None = Field(None, description="Commit of the checkout; None where it is not known.")
    dirty: bool | None = Field(None, description="Whether the checkout had changes that are not committed.")
    versions: dict[str, str] = Field(default_factory=dict, description="Version of each package that matters.")
    host: str = Field("", description="Name of the driver's machine.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How the engine got a trial to its end."""

    started_at: datetime
    """When its last attempt began; aware."""
    attempts: int = 1
    """Executions, 1 where nothing was lost."""
    lost_seconds: float = 0.0
    """Of attempts that ended without an outcome of the trial's own."""
    queued_seconds: float = 0.0
    """From when it was offered until it began."""


class Record(Frozen):
    """One trial's record; the fields are the columns of `RECORD_SCHEMA`, in its order."""

    record_version: Literal[1, 2, 3] = RECORD_VERSION
    trial_id: str = Field(description="Hash of what the trial computes.")
    study: str
    source_study: str = Field("", description="Study that ran the trial, where it was another one; else empty.")
    arm: str
    is_reference: bool
    is_control: bool
    cell: str = Field(description="Arm and condition, readable.")
    cell_id: str = Field(description="Hash of the cell's configuration and search.")
    phase: Phase
    proposal: int | None = Field(description="Index in the cell's search; None in the confirm phase.")
    seed: int
    status: Literal["completed", "failed", "stopped"] = Field(description="`stopped`: by a rule of the search.")
    cause: Cause = "none"
    error: str = ""
    task: str
    data_fraction: float = Field(description="Share of the train split, in (0, 1].")
    condition: dict[str, str] = Field(description="Dotted path -> value as JSON.")
    parameters: dict[str, str] = Field(description="Searched dotted path -> value as JSON.")
    config: str = Field(description="Full resolved trial configuration as JSON.")
    evaluate: tuple[str, ...]
    metrics: dict[str, float] = Field(description="`split/name` -> value.")
    seconds: float
    device_seconds: float = Field(description="Seconds times devices.")
    teacher_passes: int
    attempts: int = Field(description="Executions that this record took; 1 where nothing was lost.")
    lost_seconds: float | None = Field(None, description="Seconds of attempts that were lost; version 1 has none.")
    queued_seconds: float | None = Field(None, description="From when it could have run until a group took it.")
    samples_seen: int | None = Field(None, description="Training examples, over all workers, repeats counted.")
    peak_memory_mb: float | None = Field(None, description="Greatest memory of the first worker, in MB.")
    num_workers: int
    device: str
    data_digest: str
    teacher_digest: str
    student_digest: str
    identity_version: int
    commit: str | None
    dirty: bool | None
    versions: dict[str, str]
    host: str
    started_at: datetime = Field(description="UTC.")
    finished_at: datetime = Field(description="UTC.")

    @property
    def completed(self) -> bool:
        """Whether the trial gave metrics."""
        return self.status == "completed"

    def parameter_values(self) -> dict[str, Any]:
        """Return the searched values as Python values."""
        return {path: json.loads(value) for path, value in self.parameters.items()}


def make_record(
    trial: Trial,
    outcome: TrialOutcome,
    execution: Execution,
    *,
    provenance: Provenance,
    finished_at: datetime,
) -> Record:
    """Return the record of `trial`, which ended as `outcome`. Times are aware and kept in UTC."""
    return Record(
        trial_id=trial.id,
        **placement(trial),
        status=outcome.status,
        cause=outcome.cause,
        error=outcome.error,
        task=trial.trainable.roles.task_of(trial.config),
        data_fraction=trial.trainable.roles.data_fraction_of(trial.config),
        config=trial.config.model_dump_json(),
        evaluate=trial.evaluate,
        metrics=outcome.metrics,
        seconds=outcome.seconds,
        device_seconds=outcome.device_seconds,
        teacher_passes=outcome.teacher_passes,
        attempts=execution.attempts,
        lost_seconds=execution.lost_seconds,
        queued_seconds=execution.queued_seconds,
        samples_seen=outcome.samples_seen,
        peak_memory_mb=outcome.peak_memory_mb,
        num_workers=outcome.num_workers,
        device=outcome.device,
        data_digest=trial.digests.data,
        teacher_digest=trial.digests.teacher,
        student_digest=trial.digests.student,
        identity_version=trial.trainable.identity_version,
        **provenance.model_dump(),
        started_at=execution.started_at,
        finished_at=finished_at,
    )


def placement(trial: Trial) -> dict[str, Any]:
    """Return the columns that say where in a study a trial stands."""
    return {
        "study": trial.study,
        "arm": trial.arm,
        "is_reference": trial.is_reference,
        "is_control": trial.is_control,
        "cell": trial.cell,
        "cell_id": trial.cell_id,
        "phase": trial.phase,
        "proposal": trial.proposal,
        "seed": trial.seed,
        "condition": as_json(dict(trial.condition)),
        "parameters": as_json(trial.parameters),
    }


def adopted(record: Record, trial: Trial) -> Record:
    """Return `record`, run under another study or at another place of this one, as the record of `trial`."""
    source = record.source_study or (record.study if record.study != trial.study else "")
    return record.model_copy(update={**placement(trial), "source_study": source})


def record_table(records: list[Record]) -> pa.Table:
    """Return one row a record, in `RECORD_SCHEMA`."""
    return pa.Table.from_pylist([record.model_dump() for record in records], schema=RECORD_SCHEMA)


def of_this_version(table: pa.Table) -> pa.Table:
    """Return a table of records of any version as this version would have written it.

    Columns that came later are null: nobody measured them. Versions 1 and 2 wrote a commit that was not known as an
    empty one without changes.
    """
    for name in LATER_COLUMNS - set(table.column_names):
        table = table.append_column(RECORD_SCHEMA.field(name), pa.nulls(len(table), RECORD_SCHEMA.field(name).type))
    if {"commit", "dirty"} <= set(table.column_names):
        unknown = pc.equal(table["commit"], "")
        for name in ("commit", "dirty"):
            field = RECORD_SCHEMA.field(name)
            known = pc.if_else(unknown, pa.scalar(None, field.type), table[name])
            table = table.set_column(table.column_names.index(name), field, known)
    return table


def records_of(table: pa.Table) -> list[Record]:
    """Return the records of a table in `RECORD_SCHEMA`."""
    return [Record.model_validate(_row(row)) for row in table.to_pylist()]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    maps = ("condition", "parameters", "metrics", "versions")
    return {name: dict(value) if name in maps else value for name, value in row.items()}


def as_json(values: Mapping[str, Any]) -> dict[str, str]:
    """Return each value as JSON: maps of a record hold text."""
    return {name: json.dumps(value) for name, value in values.items()}
