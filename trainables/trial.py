"""One trial, from a job to an outcome: the only entry point of the engine into the science."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.bfloat16 import refusal
from ablative.trainables.boundary import attempt
from ablative.trainables.course import Evaluation
from ablative.trainables.data.content import verify_content
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.data.majority import beside_the_majority
from ablative.trainables.data.majority import majority_class
from ablative.trainables.data.subsets import choosing
from ablative.trainables.data.subsets import subset
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.errors import Hindered
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.ranks import current_ranks
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import build_student
from ablative.trainables.training.devices import current_device
from ablative.trainables.training.evaluation import evaluate
from ablative.trainables.training.inputs import inputs_of
from ablative.trainables.training.loop import train
from ablative.trainables.training.seeding import seed_everything
from ablative.trainables.training.step import TrainingStep

if TYPE_CHECKING:
    from ablative.trainables.config import TeacherConfig
    from ablative.trainables.training.teacher_table import TeacherTable
    from ablative.trainables.vision.regions import RegionFeatures


def run_trial(job: TrialJob, link: Link) -> TrialOutcome:
    """Run one trial on this worker, from its checkpoint if it has one; the outcome of rank 0 is the trial's.

    Never raises for what the trial did: an exception becomes a failed outcome with a named cause. `prepare` must
    have run for the job's configuration. Raises Hindered for what would fail every other trial too.
    """
    return attempt(_run, job, link, is_first=current_ranks().is_first)


def _run(job: TrialJob, link: Link) -> TrialOutcome:
    started = time.perf_counter()
    config, cache = job.config, Path(job.cache)
    torch.set_num_threads(job.threads)
    ranks, device = current_ranks(), current_device()
    if device.type == "cpu" and (reason := refusal(config)) is not None:
        raise Hindered(reason)
    if job.data_digest and config.task.data not in SHIPPED_DATA:
        verify_content(config.task.part, config.task.data, cache, job.data_digest)
    whole = load_split(config.task.part, config.task.data, "train", cache)
    part = subset(whole, config.task.data_fraction, job.seed)
    inputs = inputs_of(config, part, cache)
    seed_everything(job.seed, 0)  # the same initial weights on all ranks
    student = build_student(
        config.student, head=config.task.part.head, num_classes=len(part.classes), region_width=inputs.regions.width
    )
    teachers = [_table(job, teacher, part, inputs.regions) for teacher, _ in config.taught_by]
    widths = [(table.width, weight) for table, (_, weight) in zip(teachers, config.taught_by, strict=True)]
    distilled = len(part.examples) * max((table.each for table in teachers), default=1)
    objective = Objective(config.distillation, student.width, widths, num_examples=distilled, seed=job.seed)
    step_module = TrainingStep(
        config.task.part, student, objective, optim=config.optim, ranked_by=config.task.ranked_by
    ).to(device)
    seed_everything(job.seed, 1 + ranks.rank)  # other dropout on each rank
    whole_val = load_split(config.task.part, config.task.data, "val", cache)
    chosen_by = choosing(whole_val, config.optim.val_examples)
    val = inputs_of(config, chosen_by, cache)
    course = train(job, step_module, inputs, val, device=device, ranks=ranks, teachers=teachers, link=link)

    most_frequent = majority_class(part)

    def measure(name: str) -> Evaluation:
        is_known = name == "val" and chosen_by is whole_val
        split = whole_val if name == "val" else load_split(config.task.part, config.task.data, name, cache)
        found = course.val if is_known and course.val else _evaluated(job, course.student, device, split)
        return beside_the_majority(found, split, most_frequent)

    return course.outcome(
        measure,
        facts={"train/examples": float(len(part.examples))},
        student=lambda: _kept(job, course.student, part.classes, inputs.regions.width),
        started=started,
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


def _table(job: TrialJob, teacher: TeacherConfig, part: TaskSplit, seen: RegionFeatures) -> TeacherTable:
    from ablative.trainables.teachers.adaptation import adapted_heads
    from ablative.trainables.teachers.confidence_store import stored_confidence
    from ablative.trainables.teachers.feature_cache import open_features
    from ablative.trainables.teachers.needs import reads_confidence
    from ablative.trainables.training.teacher_table import TeacherTable

    distillation = job.config.distillation
    features = open_features(teacher, Path(job.cache), part)
    if distillation.adaptation.of == "teacher":
        features = replace(features, heads=adapted_heads(part, features, distillation.adaptation, seed=job.seed))
    confidence = None
    if reads_confidence(distillation):
        confidence = stored_confidence(part, features, seed=job.seed, probabilities=distillation.reads_probabilities)
    shuffle_seed = job.seed if teacher.control == "shuffled" else None
    return TeacherTable(part, features, confidence, distillation, shuffle_seed=shuffle_seed, seen=seen)


def _evaluated(job: TrialJob, student: StudentModule, device: torch.device, split: TaskSplit) -> Evaluation:
    if not split.examples:  # a rule or a list may leave nothing of a small test
        return Evaluation(metrics={}, predictions=())
    return evaluate(student, inputs_of(job.config, split, Path(job.cache)), device, job.config.optim)
