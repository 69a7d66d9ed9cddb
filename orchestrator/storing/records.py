"""The run record: what one trial left behind, as a model and as Arrow tables. The version is the first column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import fields
from datetime import datetime
from types import NoneType
from types import UnionType
from typing import Annotated
from typing import Any
from typing import Literal
from typing import Union
from typing import get_args
from typing import get_origin
from typing import get_type_hints

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from ablative.frozen import Frozen
from ablative.orchestrator.trials import Phase
from ablative.orchestrator.trials import Trial
from ablative.trainables.job import UNCLUSTERED
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.trainable import DEFAULT

RECORD_VERSION: Literal[5] = 5
"""Raised when a column is added or changes its meaning, in a record or in the curve and predictions beside it.

Files of every earlier version stay readable.
"""

_TIME = pa.timestamp("us", tz="UTC")
_TEXTS = pa.map_(pa.string(), pa.string())

Int32 = Annotated[int, pa.int32()]
"""A number that always fits; other whole numbers take 64 bits."""

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
        pa.field("row_id", pa.string()),
        pa.field("cluster", pa.string()),
    ]
)


class Provenance(Frozen):
    """The code that ran."""

    commit: str | None = Field(None, description="Commit of the checkout; None where it is not known.")
    dirty: bool | None = Field(None, description="Whether the checkout had changes that are not committed.")
    versions: dict[str, str] = Field(default_factory=dict, description="Version of each package that matters.")
    host: str = Field("", description="Name of the driver's machine.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The execution of a trial by the engine."""

    started_at: datetime
    """Start of its last attempt; aware."""
    attempts: int = 1
    """Executions, 1 if none was lost."""
    lost_seconds: float = 0.0
    """Of attempts that ended without an outcome of their own."""
    queued_seconds: float = 0.0
    """Seconds from its offer to its start."""


class Record(Frozen):
    """One trial's record; `RECORD_SCHEMA` is derived from its fields, in their order."""

    record_version: Annotated[Literal[1, 2, 3, 4, 5], pa.int32()] = RECORD_VERSION
    trial_id: str = Field(description="Hash of what the trial computes.")
    study: str
    source_study: str = Field("", description="Study that ran the trial, where it was another one; else empty.")
    arm: str
    is_reference: bool
    is_control: bool
    cell: str = Field(description="Arm and condition, readable.")
    cell_id: str = Field(description="Hash of the cell's configuration and search.")
    phase: Phase
    proposal: Int32 | None = Field(description="Index in the cell's search; None in the confirm phase.")
    seed: int
    status: Literal["completed", "failed", "stopped"] = Field(description="`stopped`: by a rule of the search.")
    cause: str = Field("none", description="Why the trial ended so; for a stopped trial, the rule's name.")
    error: str = ""
    trainable: str = Field(DEFAULT, description="Name of the trainable.")
    parts: dict[str, str] = Field(
        default_factory=dict, description="`kind/name` -> identity of the parts that it ran and that do not ship."
    )
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
    attempts: Int32 = Field(description="Executions that this record took; 1 where nothing was lost.")
    lost_seconds: float | None = Field(None, description="Seconds of attempts that were lost; version 1 has none.")
    queued_seconds: float | None = Field(None, description="From when it could have run until a group took it.")
    samples_seen: int | None = Field(None, description="Training examples, over all workers, repeats counted.")
    peak_memory_mb: float | None = Field(None, description="Greatest memory of rank 0, in MB.")
    num_workers: Int32
    device: str
    data_digest: str
    teacher_digest: str
    student_digest: str
    identity_version: Int32
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


_TYPES: Mapping[Any, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    datetime: _TIME,
    tuple[str, ...]: pa.list_(pa.string()),
    dict[str, str]: _TEXTS,
    dict[str, float]: pa.map_(pa.string(), pa.float64()),
}


def _arrow(name: str) -> pa.Field:
    """Return the column of a field of the record; it may be null if the field may be None."""
    nullable, annotation = False, get_type_hints(Record, include_extras=True)[name]
    if get_origin(annotation) in (Union, UnionType):
        annotation, nullable = next(item for item in get_args(annotation) if item is not NoneType), True
    if get_origin(annotation) is Annotated:
        return pa.field(name, get_args(annotation)[1], nullable=nullable)
    return pa.field(name, pa.string() if get_origin(annotation) is Literal else _TYPES[annotation], nullable=nullable)


RECORD_SCHEMA = pa.schema([_arrow(name) for name in Record.model_fields])
_MAPS = tuple(field.name for field in RECORD_SCHEMA if pa.types.is_map(field.type))
LATER_COLUMNS: Mapping[str, Any] = {
    "lost_seconds": None,
    "queued_seconds": None,
    "samples_seen": None,
    "peak_memory_mb": None,
    "trainable": DEFAULT,
    "parts": [],
}
"""Column that earlier versions lack -> its value there: None if nobody measured it."""
ALONE = UNCLUSTERED
"""Cluster of an example that was drawn by itself."""
LATER_OF_PREDICTIONS = ("row_id", "cluster")
"""Columns of predictions that trials of versions before 5 lack: null there."""


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
        trainable=trial.trainable.name,
        parts=dict(trial.parts),
        task=trial.trainable.roles.task_of(trial.config),
        data_fraction=trial.trainable.roles.data_fraction_of(trial.config),
        config=trial.config.model_dump_json(),
        evaluate=trial.evaluate,
        **{name: getattr(outcome, name) for name in _OF_OUTCOME},
        **asdict(execution),
        data_digest=trial.digests.data,
        teacher_digest=trial.digests.teacher,
        student_digest=trial.digests.student,
        identity_version=trial.trainable.identity_version,
        **provenance.model_dump(),
        finished_at=finished_at,
    )


_OF_OUTCOME = tuple(item.name for item in fields(TrialOutcome) if item.name in Record.model_fields)
"""Fields that a record copies from the outcome."""


def placement(trial: Trial) -> dict[str, Any]:
    """Return the columns that give a trial's place in a study."""
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
    """Return `record`, from another study or another place of this one, as the record of `trial`."""
    source = record.source_study or (record.study if record.study != trial.study else "")
    return record.model_copy(update={**placement(trial), "source_study": source})


def record_table(records: list[Record]) -> pa.Table:
    """Return one row per record, in `RECORD_SCHEMA`."""
    return pa.Table.from_pylist([record.model_dump() for record in records], schema=RECORD_SCHEMA)


def of_this_version(table: pa.Table) -> pa.Table:
    """Return a table of records from any version as this version would have written it.

    Columns that came later have the value of `LATER_COLUMNS`. Versions 1 and 2 wrote an unknown commit as an empty one
    without changes.
    """
    for name in LATER_COLUMNS.keys() - set(table.column_names):
        field = RECORD_SCHEMA.field(name)
        table = table.append_column(field, pa.array([LATER_COLUMNS[name]] * len(table), field.type))
    if {"commit", "dirty"} <= set(table.column_names):
        unknown = pc.equal(table["commit"], "")
        for name in ("commit", "dirty"):
            field = RECORD_SCHEMA.field(name)
            known = pc.if_else(unknown, pa.scalar(None, field.type), table[name])
            table = table.set_column(table.column_names.index(name), field, known)
    return table


def predictions_of_this_version(table: pa.Table) -> pa.Table:
    """Return a table of predictions from any version with the columns of this one."""
    for name in (name for name in LATER_OF_PREDICTIONS if name not in table.column_names):
        field = PREDICTION_SCHEMA.field(name)
        table = table.append_column(field, pa.nulls(len(table), field.type))
    return table


def records_of(table: pa.Table) -> list[Record]:
    """Return the records of a table in `RECORD_SCHEMA`."""
    return [Record.model_validate(_row(row)) for row in table.to_pylist()]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: dict(value) if name in _MAPS else value for name, value in row.items()}


def as_json(values: Mapping[str, Any]) -> dict[str, str]:
    """Return each value as JSON: maps of a record hold text."""
    return {name: json.dumps(value) for name, value in values.items()}
