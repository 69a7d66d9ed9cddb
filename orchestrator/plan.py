"""The plan of a study as it is kept in the store: which trial stands where. It gives each record its place.

A record says what was computed; where it stands can change: an arm is renamed, a search made longer, and two cells
may hold one and the same trial. So the place columns of a study's table come from the plan, not from the record.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field

from orchestrator.cell_trials import CellTrials
from orchestrator.cell_trials import State
from orchestrator.records import as_json
from orchestrator.trials import Phase
from orchestrator.trials import Trial
from search_spaces.study import Study

PLAN_VERSION = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedTrial(_Frozen):
    """One trial at its place in a cell."""

    trial_id: str
    phase: Phase
    proposal: int | None
    seed: int
    parameters: dict[str, str] = Field(description="Searched dotted path -> value as JSON.")


class PlannedCell(_Frozen):
    """One cell with the trials that are decided so far."""

    name: str
    cell_id: str
    arm: str
    is_reference: bool
    is_control: bool
    condition: dict[str, Any] = Field(description="Dotted path -> value.")
    state: State
    search_total: int
    confirm_total: int
    front: tuple[int, ...] = Field((), description="Proposals on the Pareto front of target and cost.")
    trials: tuple[str, ...] = Field(description="Trial ids; one that was proposed twice occurs twice.")
    places: tuple[PlannedTrial, ...] = Field(description="Where each of these trials stands.")


def planned(cell: CellTrials) -> PlannedCell:
    """Return the plan of one cell."""
    searched = [trial for proposed in cell.proposed for trial in proposed.trials]
    numbers = [number for number, proposed in enumerate(cell.proposed) for _ in proposed.trials]
    places = (
        *(_planned(trial, number) for trial, number in zip(searched, numbers, strict=True)),
        *(_planned(trial, None) for trial in cell.confirm),
    )
    return PlannedCell(
        name=cell.cell.name,
        cell_id=cell.id,
        arm=cell.cell.arm,
        is_reference=cell.cell.is_reference,
        is_control=cell.cell.is_control,
        condition=dict(cell.cell.condition),
        state=cell.state,
        search_total=cell.search_total,
        confirm_total=cell.confirm_total,
        front=cell.front,
        trials=tuple(place.trial_id for place in places),
        places=places,
    )


def study_content(study: Study, cells: Sequence[PlannedCell]) -> dict[str, Any]:
    """Return what study.json holds: the resolved study, the name of its reference arm, and the plan."""
    reference = next((cell.arm for cell in cells if cell.is_reference), "")
    return {**_heading(study, reference), "cells": [cell.model_dump(mode="json") for cell in cells]}


def study_text(study: Study, cells: Sequence[CellTrials]) -> bytes:
    """Return `study_content` of these cells as JSON; only one cell's plan is in memory beside the text."""
    reference = next((cell.cell.arm for cell in cells if cell.cell.is_reference), "")
    heading = json.dumps(_heading(study, reference), indent=2).removesuffix("\n}")
    text = io.BytesIO()
    text.write(f'{heading},\n  "cells": ['.encode())
    for number, cell in enumerate(cells):
        text.write(b",\n" if number else b"\n")
        text.write(planned(cell).model_dump_json().encode())
    text.write(b"\n  ]\n}\n")
    return text.getvalue()


def _heading(study: Study, reference: str) -> dict[str, Any]:
    return {"plan_version": PLAN_VERSION, **study.model_dump(mode="json"), "reference": reference}


def placed(table: pa.Table, cells: Sequence[PlannedCell]) -> pa.Table:
    """Return one row a planned trial that is in `table` (columns of RECORD_SCHEMA), its place taken from the plan."""
    rows = {trial: row for row, trial in enumerate(table["trial_id"].to_pylist())}
    places = [(cell, trial) for cell in cells for trial in cell.places if trial.trial_id in rows]
    kept = [name for name in table.column_names if name not in _PLACED]
    taken = table.select(kept).take(pa.array([rows[trial.trial_id] for _, trial in places], pa.int64()))
    columns = {
        field.name: pa.array([_PLACED[field.name](*place) for place in places], field.type)
        if field.name in _PLACED
        else taken[field.name]
        for field in table.schema
    }
    return pa.table(columns, schema=table.schema)


_PLACED: Mapping[str, Callable[[PlannedCell, PlannedTrial], Any]] = {
    "cell": lambda cell, trial: cell.name,
    "cell_id": lambda cell, trial: cell.cell_id,
    "arm": lambda cell, trial: cell.arm,
    "is_reference": lambda cell, trial: cell.is_reference,
    "is_control": lambda cell, trial: cell.is_control,
    "phase": lambda cell, trial: trial.phase,
    "proposal": lambda cell, trial: trial.proposal,
    "seed": lambda cell, trial: trial.seed,
    "condition": lambda cell, trial: list(as_json(cell.condition).items()),
    "parameters": lambda cell, trial: list(trial.parameters.items()),
}
"""Column that says where a record stands -> its value."""


def _planned(trial: Trial, proposal: int | None) -> PlannedTrial:
    return PlannedTrial(
        trial_id=trial.id,
        phase=trial.phase,
        proposal=proposal,
        seed=trial.seed,
        parameters=as_json(trial.parameters),
    )
