"""Writes a store of many compacted studies at once: a million records on disk.

A study has 10 arms under 20 data fractions; each cell has 40 search and 10 confirm trials. Each trial has 30 searched
parameters, 20 metrics and a curve of 20 points. The plan of each study names its trials, as a run writes it.
"""

from __future__ import annotations

import json
from datetime import UTC
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.plan import PlannedCell
from ablative.orchestrator.storing.plan import PlannedTrial
from ablative.orchestrator.storing.plan import study_content
from ablative.orchestrator.storing.records import CURVE_SCHEMA
from ablative.orchestrator.storing.records import RECORD_SCHEMA
from ablative.orchestrator.storing.records import RECORD_VERSION
from ablative.orchestrator.storing.store import SCHEMAS
from ablative.orchestrator.storing.store import Store
from ablative.orchestrator.storing.table_files import TableFiles
from ablative.search_spaces.study import Study
from ablative.trainables.config import ROLES
from ablative.trainables.config import TrialConfig

ARMS, FRACTIONS, SEARCHED, CONFIRMED = 10, 20, 40, 10
TRIALS = ARMS * FRACTIONS * (SEARCHED + CONFIRMED)
"""Of one study."""
PARAMETERS, METRICS, POINTS = 30, 20, 20
METRIC_NAMES = ("val/accuracy", "test/accuracy", *(f"test/m{number:02}" for number in range(METRICS - 2)))
PARAMETER_NAMES = ("optim.lr", *(f"optim.p{number:02}" for number in range(PARAMETERS - 1)))
DISTINCT = 4
"""Studies whose values differ; the others repeat them under other names and trial ids."""
_NAME, _PREFIX = "any", "ffff"
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def study_name(number: int) -> str:
    """Return the name of a study of the store."""
    return f"study{number:03}"


def fill(store: Store, num_studies: int) -> int:
    """Write so many studies, compacted; return the number of their trials."""
    made = [_Study(seed) for seed in range(min(DISTINCT, num_studies))]
    for number in range(num_studies):
        made[number % DISTINCT].write(store, study_name(number), f"{number:04x}")
    return num_studies * TRIALS


class _Study:
    """Plan, records and curves of one study, written under any name."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._cells = [(cell % ARMS, cell // ARMS) for cell in range(ARMS * FRACTIONS)]
        self._ids = [f"{_PREFIX}{trial:016x}" for trial in range(TRIALS)]
        self._values = [repr(value) for value in self._rng.random(TRIALS * PARAMETERS).tolist()]
        content = study_content(self._study(), ROLES, [self._planned(cell) for cell in range(len(self._cells))])
        self._plan = json.dumps(content).encode()
        self._tables = {"trials": self._records(), "curves": self._curves()}

    def write(self, store: Store, name: str, prefix: str) -> None:
        """Write the study with its own name and trial ids."""
        plan = self._plan.replace(f'"{_PREFIX}'.encode(), f'"{prefix}'.encode())
        store.write_study(name, plan.replace(f'"{_NAME}"'.encode(), f'"{name}"'.encode()))
        own = [prefix + trial.removeprefix(_PREFIX) for trial in self._ids]
        for table, rows in self._tables.items():
            rows = _replaced(
                rows, "trial_id", pc.replace_substring(rows["trial_id"], _PREFIX, prefix, max_replacements=1)
            )
            if table == "trials":
                rows = _replaced(rows, "study", _column(name, pa.string()))
            TableFiles(Folder(store.uri), f"studies/{name}", table, SCHEMAS[table], []).merge(rows, own)
        assert store.flatten(name)

    def _study(self) -> Study:
        return Study.model_validate(
            {
                "study": _NAME,
                "question": "How fast is the answer?",
                "base": {},
                "arms": {"listed": {f"arm{arm}": {"optim.weight_decay": 0.01 * arm} for arm in range(ARMS)}},
                "conditions": {"task.data_fraction": [_fraction(number) for number in range(FRACTIONS)]},
                "search": {"trials": SEARCHED, "space": {"optim.lr": {"uniform": [0.0, 1.0]}}},
                "seeds": {"search": [0], "confirm": list(range(1, CONFIRMED + 1))},
                "evaluate": ["val", "test"],
            }
        )

    def _planned(self, cell: int) -> PlannedCell:
        arm, fraction = self._cells[cell]
        places = tuple(self._place(cell, position) for position in range(SEARCHED + CONFIRMED))
        return PlannedCell(
            name=f"arm{arm}|{fraction}", cell_id=f"cell{cell}", arm=f"arm{arm}", is_reference=arm == 0,
            is_control=False, condition={"task.data_fraction": _fraction(fraction)}, state="done",
            search_total=SEARCHED, confirm_total=CONFIRMED, places=places,
            trials=tuple(place.trial_id for place in places),
        )  # fmt: skip

    def _place(self, cell: int, position: int) -> PlannedTrial:
        searched = position < SEARCHED
        trial = cell * (SEARCHED + CONFIRMED) + position
        return PlannedTrial(
            trial_id=self._ids[trial],
            phase="search" if searched else "confirm",
            proposal=position if searched else None,
            seed=0 if searched else position - SEARCHED + 1,
            parameters=dict(
                zip(PARAMETER_NAMES, self._values[trial * PARAMETERS : (trial + 1) * PARAMETERS], strict=True)
            ),
        )

    def _records(self) -> pa.Table:
        cell = np.repeat(np.arange(len(self._cells)), SEARCHED + CONFIRMED)
        position = np.tile(np.arange(SEARCHED + CONFIRMED), len(self._cells))
        searched = position < SEARCHED
        arm, fraction = cell % ARMS, cell // ARMS
        values: dict[str, Any] = {
            "record_version": RECORD_VERSION, "trial_id": self._ids, "study": _NAME, "source_study": "",
            "arm": [f"arm{number}" for number in arm], "is_reference": arm == 0, "is_control": False,
            "cell": [f"arm{a}|{f}" for a, f in zip(arm, fraction, strict=True)],
            "cell_id": [f"cell{number}" for number in cell],
            "phase": np.where(searched, "search", "confirm").tolist(),
            "proposal": pa.array(position, pa.int32(), mask=~searched),
            "seed": np.where(searched, 0, position - SEARCHED + 1), "status": "completed", "cause": "none",
            "error": "", "trainable": "clip_td", "parts": [], "task": "snli_ve",
            "data_fraction": [_fraction(number) for number in fraction.tolist()],
            "condition": [[("task.data_fraction", json.dumps(_fraction(number)))] for number in fraction.tolist()],
            "parameters": _maps(PARAMETER_NAMES, pa.array(self._values)),
            "config": TrialConfig().model_dump_json(), "evaluate": ["val", "test"],
            "metrics": _maps(METRIC_NAMES, pa.array(self._metrics(arm, position))),
            "seconds": self._rng.exponential(10.0, TRIALS), "device_seconds": 10.0, "teacher_passes": 0,
            "attempts": 1, "lost_seconds": 0.0, "queued_seconds": 0.0, "samples_seen": 1600,
            "peak_memory_mb": 500.0, "num_workers": 1, "device": "cpu", "data_digest": "d" * 12,
            "teacher_digest": "", "student_digest": "", "identity_version": 2, "commit": "abc1234", "dirty": False,
            "versions": [("torch", "2.13.0")], "host": "node1", "started_at": _NOON, "finished_at": _NOON,
        }  # fmt: skip
        return pa.table({field.name: _column(values[field.name], field.type) for field in RECORD_SCHEMA}).cast(
            RECORD_SCHEMA
        )

    def _metrics(self, arm: np.ndarray, position: np.ndarray) -> np.ndarray:
        level = 0.5 + 0.002 * arm + 0.02 * np.sin(position)
        return (level[:, None] + self._rng.normal(0, 0.01, (TRIALS, METRICS))).ravel()

    def _curves(self) -> pa.Table:
        rows = TRIALS * POINTS
        return pa.table(
            {
                "trial_id": pa.array(self._ids).take(pa.array(np.repeat(np.arange(TRIALS), POINTS))),
                "step": np.tile(np.arange(1, POINTS + 1), TRIALS),
                "split": _column("val", pa.string(), rows),
                "metric": _column("accuracy", pa.string(), rows),
                "value": self._rng.random(rows),
                "seconds": self._rng.random(rows),
            }
        ).cast(CURVE_SCHEMA)


def _replaced(table: pa.Table, name: str, column: Any) -> pa.Table:
    position = table.schema.get_field_index(name)
    return table.set_column(position, table.schema.field(position), column)


def _fraction(number: int) -> float:
    return round(0.05 * (number + 1), 2)


def _column(values: Any, kind: pa.DataType, rows: int = TRIALS) -> pa.Array:
    """Return values as a column; a single value fills every row."""
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, list | np.ndarray) and len(values) == rows:
        return pa.array(values, kind)
    return pa.array([values], kind).take(pa.array(np.zeros(rows, np.int64)))


def _maps(names: tuple[str, ...], items: pa.Array) -> pa.MapArray:
    keys = pa.DictionaryArray.from_arrays(np.tile(np.arange(len(names), dtype=np.int32), TRIALS), list(names))
    offsets = np.arange(0, len(items) + 1, len(names), dtype=np.int32)
    return pa.MapArray.from_arrays(offsets, keys.cast(pa.string()), items)
