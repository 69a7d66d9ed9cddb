"""A simulated trainable with known effects, and studies small enough to run it thousands of times.

Imported by Ray's workers and by drivers in processes of their own, so it must be importable by name there.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.deciding.recorded import Recorded
from ablative.orchestrator.driving.run import Experiment
from ablative.orchestrator.inputs import Inputs
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.storing.records import Provenance
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import make_record
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.design import cells
from ablative.search_spaces.study import Resources
from ablative.search_spaces.study import Study
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.job import Alone
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import Link
from ablative.trainables.job import Prediction
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.kinds.clip_td import CLIP_TD
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.trainable import Digests

NAIVE_EFFECT = 0.05
TOKENS_EFFECT = 0.03
BEST_LR = 1e-3
SPLITS = ("train", "val", "test", "test_style")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTrainable:
    """Deterministic metrics from configuration and seed; picklable.

    Naive terms add `NAIVE_EFFECT` to the accuracy, tokens `TOKENS_EFFECT`, more data adds, a learning rate away from
    `BEST_LR` takes away; seeds add a level that all arms share, and a little noise of each trial's own.
    """

    ledger: str = ""
    """Folder in which every execution leaves a mark, one character in a file named after the trial."""
    seconds: float = 0.0
    raises_for: tuple[int, ...] = ()
    """Seeds whose trials raise."""
    non_finite_for: tuple[int, ...] = ()
    """Seeds whose trials become NaN."""

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        if self.ledger:
            with (Path(self.ledger) / job.trial_id).open("a") as marks:
                marks.write("x")
        time.sleep(self.seconds)
        if job.seed in self.raises_for:
            raise RuntimeError(f"seed {job.seed} raises on purpose")
        if job.seed in self.non_finite_for:
            return TrialOutcome(status="failed", cause="non_finite", error="loss is nan at step 3", seconds=0.1)
        return _outcome(job, link)


def accuracy(config: TrialConfig, seed: int, split: str) -> float:
    """Return the simulated accuracy."""
    weight = vars(config.distillation.terms)
    effect = NAIVE_EFFECT * (weight["image"] > 0) + TOKENS_EFFECT * (weight["tokens"] > 0)
    away = abs(math.log10(config.optim.lr / BEST_LR))
    level = 0.5 + 0.1 * config.task.data_fraction - 0.05 * away - 0.1 * (split == "test_style")
    return (
        level + effect + 0.02 * _unit(seed) + 0.002 * _unit(config.model_dump_json(exclude_defaults=True), seed, split)
    )


def executions(ledger: Path) -> dict[str, int]:
    """Return trial id -> number of executions."""
    return {mark.name: mark.stat().st_size for mark in ledger.iterdir()}


def make_study(**changes: Any) -> Study:
    """Return a study of two fractions and three arms, with `changes` of its top-level fields."""
    content: dict[str, Any] = {
        "study": "simulated",
        "question": "Do the known effects come back?",
        "base": {},
        "arms": {
            "listed": {
                "plain": {},
                "naive": {"distillation.terms.image": 1.0},
                "tokens": {"distillation.terms.image": 1.0, "distillation.terms.tokens": 1.0},
            }
        },
        "conditions": {"task.data_fraction": [0.05, 1.0]},
        "search": {
            "trials": 4,
            "batch": 2,
            "sampler": "random",
            "space": {
                "optim.lr": {"loguniform": [1e-5, 1e-2]},
                "distillation.selection.ratio": {"uniform": [0.1, 0.9]},
            },
        },
        "seeds": {"search": [0], "confirm": [1, 2, 3]},
        "evaluate": ["val", "test", "test_shifted"],
    }
    return Study.model_validate({**content, **changes})


def make_inputs(data: str = "data", teacher: str = "teacher") -> Inputs:
    """Return inputs of a task with one shifted test."""
    trainable = replace(CLIP_TD, splits=lambda config: SPLITS)
    digests = Digests(data=data, teacher=teacher)
    return Inputs(trainable=trainable, catalogue=bundled(), digests=lambda config: digests)


def make_experiment(study: Study, inputs: Inputs | None = None) -> Experiment:
    """Return what `run_study` takes."""
    return Experiment(
        study=study,
        cells=cells(study, TrialConfig, canonical),
        inputs=inputs or make_inputs(),
        provenance=Provenance(host="simulated"),
    )


def make_queue(study: Study, records: Sequence[Record] = (), **options: Any) -> TrialQueue:
    """Return the queue of a study."""
    inputs = options.pop("inputs", None) or make_inputs()
    recorded = Recorded(records=records, curves=options.pop("curves", {}), warm=options.pop("warm", ()))
    return TrialQueue(study, cells(study, TrialConfig, canonical), recorded, inputs, **options)


def run_one(trial: Trial, trainable: SimulatedTrainable | None = None) -> Record:
    """Return the record of one trial, run here."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    outcome = (trainable or SimulatedTrainable())(trial.job(cache="cache", resources=Resources()), Alone())
    return make_record(trial, outcome, Execution(started_at=now), provenance=Provenance(), finished_at=now)


def run_all(queue: TrialQueue) -> list[Record]:
    """Run a queue to its end, one trial after another; return the records in that order."""
    records = []
    while (trial := queue.next()) is not None:
        records.append(run_one(trial))
        queue.record(records[-1])
    return records


def _outcome(job: TrialJob, link: Link) -> TrialOutcome:
    metrics = {f"{split}/accuracy": accuracy(job.config, job.seed, split) for split in job.evaluate}
    final = accuracy(job.config, job.seed, "val")
    curve = tuple(
        CurvePoint(step=step, split="val", metric="accuracy", value=final - 0.1 / step, seconds=step / 10)
        for step in (1, 2, 4)
    )
    for point in curve:
        link.report(point)
    predictions = tuple(
        Prediction(split=split, example_id=f"{split}-{index}", prediction="yes", score=float(index % 2))
        for split in job.evaluate
        for index in range(3)
    )
    return TrialOutcome(
        status="completed",
        metrics=metrics,
        curve=curve,
        predictions=predictions if job.keep_predictions else (),
        seconds=0.1,
        device_seconds=0.1,
    )


def _unit(*content: Any) -> float:
    """Return a number in [-1, 1) that looks random and is a function of `content`."""
    digest = hashlib.sha256(repr(content).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**47 - 1
