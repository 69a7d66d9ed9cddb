"""One trial, from a job to an outcome: the only entry point of the engine into the science."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ablative.trainables.benchmark.spec import PRESETS as DATA_PRESETS
from ablative.trainables.boundary import failure
from ablative.trainables.data.content import verify_content
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.data.subsets import subset
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.distillation.several import SeveralTeachers
from ablative.trainables.job import Cause
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import Link
from ablative.trainables.job import Prediction
from ablative.trainables.job import Status
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import build_student
from ablative.trainables.training.devices import current_device
from ablative.trainables.training.evaluation import Evaluation
from ablative.trainables.training.evaluation import evaluate
from ablative.trainables.training.inputs import inputs_of
from ablative.trainables.training.loop import TargetsOf
from ablative.trainables.training.loop import train
from ablative.trainables.training.ranks import Ranks
from ablative.trainables.training.ranks import current_ranks
from ablative.trainables.training.step import TrainingStep

if TYPE_CHECKING:
    from ablative.trainables.config import TeacherConfig
    from ablative.trainables.training.targets import TargetTable


def run_trial(job: TrialJob, link: Link) -> TrialOutcome:
    """Run one trial on this worker, from its checkpoint if it has one; the outcome of rank 0 is the trial's.

    Never raises for what the trial did: an exception becomes a failed outcome with a named cause. `prepare` must
    have run for the job's configuration. Raises Hindered for what would fail every other trial too.
    """
    started = time.perf_counter()
    torch.set_num_threads(job.threads)
    ranks = current_ranks()
    device = current_device()
    try:
        ran = _run(job, link, ranks, device)
    except Exception as raised:  # here and not by `attempt` only, so that its seconds and its device are known
        cause, error = failure(raised, Path(job.cache))
        ran = _Ran(status="failed", cause=cause, error=error)
    seconds = ran.seconds_before + time.perf_counter() - started
    return TrialOutcome(
        status=ran.status,
        cause=ran.cause,
        error=ran.error,
        metrics=ran.metrics,
        curve=ran.curve,
        predictions=ran.predictions if job.keep_predictions else (),
        seconds=seconds,
        device_seconds=seconds * ranks.world,
        teacher_passes=0,
        samples_seen=ran.samples_seen,
        peak_memory_mb=ran.peak_memory_mb,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        num_workers=ranks.world,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    status: Status
    cause: Cause = "none"
    error: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    seconds_before: float = 0.0
    """Spent by earlier attempts that this one went on from."""
    samples_seen: int = 0
    peak_memory_mb: float = 0.0


def _judge(job: TrialJob, metrics: dict[str, float]) -> tuple[Cause, str]:
    for split in job.evaluate:
        value = metrics.get(f"{split}/accuracy")
        if value is not None and not math.isfinite(value):
            return "non_finite", f"{split}/accuracy is {value}"
    return "none", ""


def _run(job: TrialJob, link: Link, ranks: Ranks, device: torch.device) -> _Ran:
    config, cache = job.config, Path(job.cache)
    if job.data_digest and config.task.data not in DATA_PRESETS:
        verify_content(config.task.part, config.task.data, cache, job.data_digest)
    whole = load_split(config.task.part, config.task.data, "train", cache)
    part = subset(whole, config.task.data_fraction, job.seed)
    inputs = inputs_of(config, part, cache)
    _seed_everything(job.seed, 0)  # the same initial weights on all ranks
    student = build_student(
        config.student, head=config.task.part.head, num_classes=len(part.classes), region_width=inputs.regions.width
    )
    targets_of, teachers = _targets(job, part)
    objective = _objective(job, student.width, teachers, num_examples=len(part.examples))
    step_module = TrainingStep(config.task.part, student, objective, optim=config.optim).to(device)
    _seed_everything(job.seed, 1 + ranks.rank)  # other dropout on each rank
    val = inputs_of(config, load_split(config.task.part, config.task.data, "val", cache), cache)
    ended = train(job, step_module, inputs, val, device=device, ranks=ranks, targets_of=targets_of, link=link)
    metrics: dict[str, float] = {}
    predictions: tuple[Prediction, ...] = ()
    cause, error = ended.cause, ""
    if ranks.is_first and ended.status != "paused":
        metrics = {f"val/{job.target[0]}": ended.best}
        if ended.status == "completed":
            metrics, predictions = _final(job, student, device, ended.val)
            cause, error = _judge(job, metrics)
            if job.student_room and not error:
                link.keep(_kept(job, student, part.classes, inputs.regions.width))
        metrics["train/examples"] = float(len(part.examples))
        metrics["train/steps"] = float(ended.steps)
    return _Ran(
        status=ended.status if not error else "failed",
        cause=cause,
        error=error,
        metrics=metrics,
        curve=ended.curve,
        predictions=predictions,
        seconds_before=ended.seconds_before,
        samples_seen=ended.samples_seen,
        peak_memory_mb=ended.peak_memory_mb,
    )


def _kept(job: TrialJob, student: StudentModule, classes: tuple[str, ...], region_width: int) -> bytes:
    from ablative.trainables.students.kept import kept

    return kept(
        student,
        trial_id=job.trial_id,
        seed=job.seed,
        config=job.config,
        classes=classes,
        region_width=region_width,
    )


Widths = tuple[tuple[int, float], ...]
"""Width and weight of each teacher."""


def _objective(job: TrialJob, student_width: int, teachers: Widths, *, num_examples: int) -> Objective:
    distillation = job.config.distillation
    if teachers and job.config.teachers:
        return SeveralTeachers(distillation, student_width, teachers, num_examples=num_examples, seed=job.seed)
    width = teachers[0][0] if teachers else 1
    return Objective(distillation, student_width, width, num_examples=num_examples, seed=job.seed)


def _targets(job: TrialJob, part: TaskSplit) -> tuple[TargetsOf | None, Widths]:
    """Teacher targets of the training examples, and the teachers; (None, ()) without distillation."""
    taught_by = job.config.taught_by
    tables = [_table(job, teacher, part) for teacher, _ in taught_by]
    if not tables:
        return None, ()
    teachers = tuple((table.width, weight) for table, (_, weight) in zip(tables, taught_by, strict=True))
    if not job.config.teachers:
        return tables[0], teachers
    return lambda indices: tuple(table(indices) for table in tables), teachers


def _table(job: TrialJob, teacher: TeacherConfig, part: TaskSplit) -> TargetTable:
    from ablative.trainables.teachers.adaptation import adapted_heads
    from ablative.trainables.teachers.confidence_store import stored_confidence
    from ablative.trainables.teachers.feature_cache import open_features
    from ablative.trainables.teachers.needs import reads_confidence
    from ablative.trainables.training.targets import TargetTable

    distillation = job.config.distillation
    features = open_features(teacher, Path(job.cache), part)
    if distillation.adaptation.of == "teacher":
        features = replace(features, heads=adapted_heads(part, features, distillation.adaptation, seed=job.seed))
    confidence = None
    if reads_confidence(distillation):
        confidence = stored_confidence(part, features, seed=job.seed, probabilities=distillation.reads_probabilities)
    shuffle_seed = job.seed if teacher.control == "shuffled" else None
    return TargetTable(part, features, confidence, distillation, shuffle_seed=shuffle_seed)


def _final(
    job: TrialJob, student: StudentModule, device: torch.device, val: Evaluation | None
) -> tuple[dict[str, float], tuple[Prediction, ...]]:
    """Metrics and predictions of the splits to evaluate; `val` is val's where the course has just made it."""
    metrics: dict[str, float] = {}
    predictions: list[Prediction] = []
    for name in job.evaluate:
        evaluation = val if name == "val" and val else _evaluated(job, student, device, name)
        metrics.update({f"{name}/{metric}": float(value) for metric, value in evaluation.metrics.items()})
        predictions.extend(evaluation.predictions)
    return metrics, tuple(predictions)


def _evaluated(job: TrialJob, student: StudentModule, device: torch.device, name: str) -> Evaluation:
    split = load_split(job.config.task.part, job.config.task.data, name, Path(job.cache))
    if not split.examples:  # a rule or a list may leave nothing of a small test
        return Evaluation(metrics={}, predictions=())
    return evaluate(student, inputs_of(job.config, split, Path(job.cache)), device, job.config.optim)


def _seed_everything(seed: int, stream: int) -> None:
    """Reset every global generator, so that what ran before in this process leaves no trace."""
    state = int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)  # noqa: NPY002 - libraries may draw from the global generator
    torch.manual_seed(state)
