"""Builders of finished studies: records with effects that are known because they were put in."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.orchestrator.storing.plan import PlannedCell
from ablative.orchestrator.storing.plan import PlannedTrial
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import as_json
from ablative.orchestrator.storing.records import record_table
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.content_hash import content_hash
from ablative.trainables.config import TrialConfig
from ablative.trainables.job import CurvePoint

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ARMS = ("no_distillation", "naive_distillation", "clip_td", "shuffled_teacher")


def make_record(**changes: Any) -> Record:
    """Return a completed confirm record with `changes`."""
    known: dict[str, Any] = {
        "trial_id": "0" * 20,
        "study": "lowshot",
        "arm": "clip_td",
        "is_reference": False,
        "is_control": False,
        "cell": "clip_td|",
        "cell_id": "cell",
        "phase": "confirm",
        "proposal": None,
        "seed": 1,
        "status": "completed",
        "task": "snli_ve",
        "data_fraction": 1.0,
        "condition": {},
        "parameters": {},
        "config": TrialConfig().model_dump_json(),
        "evaluate": ("val", "test"),
        "metrics": {"val/accuracy": 0.5, "test/accuracy": 0.5},
        "seconds": 10.0,
        "device_seconds": 10.0,
        "teacher_passes": 0,
        "attempts": 1,
        "num_workers": 1,
        "device": "cpu",
        "data_digest": "d" * 12,
        "teacher_digest": "",
        "student_digest": "",
        "identity_version": 1,
        "commit": "abc1234",
        "dirty": False,
        "versions": {"torch": "2.13.0"},
        "host": "laptop",
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=10),
    }
    return Record.model_validate({**known, **changes})


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResults:
    """A study whose arms differ from the first one by what `effect` says, in every condition."""

    study: str = "lowshot"
    question: str = "Does distillation help when little is labelled?"
    arms: Sequence[str] = ARMS
    effect: Mapping[str, float] = field(default_factory=dict)
    """Arm -> difference of the metric; 0 where not given."""
    control: str = "shuffled_teacher"
    conditions: Mapping[str, Sequence[Any]] = field(
        default_factory=lambda: {"task.name": ["snli_ve", "vqa"], "task.data_fraction": [0.01, 0.05]}
    )
    confirm: Sequence[int] = (1, 2, 3, 4, 5, 6)
    proposals: int = 3
    mode: str = "max"
    comparisons: Mapping[str, Any] = field(default_factory=lambda: {"correction": "holm", "alpha": 0.05})
    noise: float = 0.01
    """Standard deviation of a trial around its seed's level, in each arm."""
    seed_noise: float = 0.05
    """Standard deviation of the level that all arms share under one seed."""
    random_seed: int = 0
    setting: Callable[[int], Mapping[str, Any]] = lambda proposal: {"optim.lr": 1e-4 * (1 + proposal)}
    """Searched parameters of a proposal."""

    def combinations(self) -> list[dict[str, Any]]:
        """Conditions of the study, in order."""
        return [
            dict(zip(self.conditions, values, strict=True)) for values in itertools.product(*self.conditions.values())
        ]

    def stored(self) -> dict[str, Any]:
        """What `Store.write_study` gets."""
        return {
            "plan_version": 1,
            "study": self.study,
            "question": self.question,
            "target": {"metric": "val/accuracy", "mode": self.mode},
            "seeds": {"search": [0], "confirm": list(self.confirm)},
            "evaluate": ["val", "test", "test_shifted"],
            "comparisons": dict(self.comparisons),
            "reference": self.arms[0],
            "cells": [cell.model_dump(mode="json") for cell in self.cells()],
        }

    def cells(self) -> list[PlannedCell]:
        """The plan, every trial of it decided."""
        records = self.records()
        return [
            _planned_cell([record for record in records if record.cell == self._cell(arm, condition)], condition)
            for condition in self.combinations()
            for arm in self.arms
        ]

    def records(self) -> list[Record]:
        """Search and confirm records of every cell, a function of the fields."""
        rng = np.random.default_rng(self.random_seed)
        found: list[Record] = []
        for condition in self.combinations():
            level = 0.5 + 0.1 * condition.get("task.data_fraction", 0)
            shared = {seed: rng.normal(level, self.seed_noise) for seed in self.confirm}
            for arm in self.arms:
                for proposal in range(self.proposals):
                    found.append(self._search(arm, condition, proposal, level + 0.01 * proposal))
                for seed in self.confirm:
                    value = shared[seed] + rng.normal(self.effect.get(arm, 0.0), self.noise)
                    found.append(self._confirm(arm, condition, seed, float(value)))
        return found

    def table(self, keep: Callable[[Record], Record | None] = lambda record: record) -> pa.Table:
        """Records in `RECORD_SCHEMA`; `keep` may change a record, or drop it by returning None."""
        return record_table([kept for record in self.records() if (kept := keep(record)) is not None])

    def write(self, uri: str, keep: Callable[[Record], Record | None] = lambda record: record) -> Store:
        """Write the study, its records and a short curve of each into a store."""
        store = Store.open(uri)
        store.write_study(self.study, self.stored())
        for record in self.records():
            if (kept := keep(record)) is not None:
                store.write(kept, _curve(kept) if kept.completed else ())
        return store

    def _search(self, arm: str, condition: dict[str, Any], proposal: int, value: float) -> Record:
        return self._record(
            arm, condition, "search", 0, proposal, as_json(self.setting(proposal)), {"val/accuracy": value}
        )

    def _confirm(self, arm: str, condition: dict[str, Any], seed: int, value: float) -> Record:
        parameters = as_json(self.setting(self.proposals - 1))
        metrics = {
            "val/accuracy": value + 0.01,
            "test/accuracy": value,
            "test_style/accuracy": value - 0.1 - 0.01 * (seed % 3),
        }
        metrics |= {"test/accuracy_heldout": value - 0.05, "test/loss": 1 - value, "train/examples": 40.0}
        if condition.get("task.name") == "vqa":
            metrics["test_priors/accuracy"] = value - 0.2
        return self._record(arm, condition, "confirm", seed, None, parameters, metrics)

    def _record(
        self,
        arm: str,
        condition: dict[str, Any],
        phase: str,
        seed: int,
        proposal: int | None,
        parameters: dict[str, str],
        metrics: dict[str, float],
    ) -> Record:
        return make_record(
            trial_id=content_hash([arm, condition, phase, seed, proposal]),
            study=self.study,
            arm=arm,
            is_reference=arm == self.arms[0],
            is_control=arm == self.control,
            cell=self._cell(arm, condition),
            cell_id=content_hash([arm, condition]),
            phase=phase,
            seed=seed,
            proposal=proposal,
            task=condition.get("task.name", "snli_ve"),
            data_fraction=condition.get("task.data_fraction", 1.0),
            condition={path: json.dumps(value) for path, value in condition.items()},
            parameters=parameters,
            metrics=metrics,
        )

    def _cell(self, arm: str, condition: Mapping[str, Any]) -> str:
        return f"{arm}|{','.join(f'{path}={value}' for path, value in condition.items())}"


def _planned_cell(records: Sequence[Record], condition: dict[str, Any]) -> PlannedCell:
    first = records[0]
    return PlannedCell(
        name=first.cell,
        cell_id=first.cell_id,
        arm=first.arm,
        is_reference=first.is_reference,
        is_control=first.is_control,
        condition=condition,
        state="done",
        search_total=sum(record.phase == "search" for record in records),
        confirm_total=sum(record.phase == "confirm" for record in records),
        trials=tuple(record.trial_id for record in records),
        places=tuple(
            PlannedTrial(
                trial_id=record.trial_id,
                phase=record.phase,
                proposal=record.proposal,
                seed=record.seed,
                parameters=record.parameters,
            )
            for record in records
        ),
    )


def as_failed(record: Record, cause: str = "non_finite", error: str = "loss is nan at step 40") -> Record:
    """Return `record` as if the trial had failed."""
    return record.model_copy(update={"status": "failed", "cause": cause, "error": error, "metrics": {}})


def _curve(record: Record) -> tuple[CurvePoint, ...]:
    final = record.metrics["val/accuracy"]
    return tuple(
        CurvePoint(step=step, split="val", metric="accuracy", value=final * (1 - 0.5 / step), seconds=step / 10)
        for step in (30, 60, 90, 120)
    )
