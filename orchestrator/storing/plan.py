"""The stored plan of a study: the place of each trial, from which records get their places.

A record says what was computed. Its place can change: an arm is renamed, a search gets longer, and two cells may share
one trial. So the place columns of a study's table come from the plan, not from the record.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from typing import Literal

import pyarrow as pa
from pydantic import Field

from ablative.frozen import Frozen
from ablative.orchestrator.storing.records import as_json
from ablative.orchestrator.trials import Phase
from ablative.search_spaces.study import Study
from ablative.trainables.parts.trainable import Roles

PLAN_VERSION = 1
State = Literal["search", "waiting", "confirm", "done", "failed", "left"]
"""`waiting`: for a decision over several cells. `left`: searched, and not taken by the path of its study."""


class PlannedTrial(Frozen):
    """One trial at its place in a cell."""

    trial_id: str
    phase: Phase
    proposal: int | None
    seed: int
    parameters: dict[str, str] = Field(description="Searched dotted path -> value as JSON.")


class PlannedCell(Frozen):
    """One cell with the trials decided so far."""

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


def study_content(study: Study, roles: Roles, cells: Sequence[PlannedCell]) -> dict[str, Any]:
    """Return the contents of study.json: the resolved study, paths that play roles, reference arm and plan."""
    reference = next((cell.arm for cell in cells if cell.is_reference), "")
    plan = [cell.model_dump(mode="json") for cell in cells]
    return {**_heading(study, roles), "cells": plan, "reference": reference}


def study_text(study: Study, roles: Roles, cells: Iterable[PlannedCell]) -> bytes:
    """Return `study_content` of these cells as JSON; with an iterator, one cell at a time is in memory."""
    reference = ""
    heading = json.dumps(_heading(study, roles), indent=2).removesuffix("\n}")
    text = io.BytesIO()
    text.write(f'{heading},\n  "cells": ['.encode())
    for number, cell in enumerate(cells):
        reference = reference or (cell.arm if cell.is_reference else "")
        text.write(b",\n" if number else b"\n")
        text.write(cell.model_dump_json().encode())
    text.write(f'\n  ],\n  "reference": {json.dumps(reference)}\n}}\n'.encode())
    return text.getvalue()


def _heading(study: Study, roles: Roles) -> dict[str, Any]:
    return {"plan_version": PLAN_VERSION, **study.model_dump(mode="json"), "roles": asdict(roles)}


def placed(table: pa.Table, cells: Sequence[PlannedCell]) -> pa.Table:
    """Return one row per planned trial in `table` (columns of RECORD_SCHEMA), with its place from the plan."""
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
"""Place column of a record -> its value."""
