"""Distillation against the task, measured during training: what is told, what it leaves, and weights set by it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.data.load import load_split
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.students.student import build_student
from ablative.trainables.teachers.confidence import teacher_confidence
from ablative.trainables.teachers.feature_cache import open_features
from ablative.trainables.training import loop
from ablative.trainables.training.gradients import Parts
from ablative.trainables.training.gradients import measure
from ablative.trainables.training.inputs import inputs_of
from ablative.trainables.training.order import MEASUREMENTS
from ablative.trainables.training.order import measured_steps
from ablative.trainables.training.step import TrainingStep
from ablative.trainables.training.teacher_table import TeacherTable
from ablative.trainables.trial import run_trial
from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import smoke
from tests.torch_cpu.training.test_resume import CutAfter
from tests.torch_cpu.training.test_resume import told

pytestmark = pytest.mark.slow

RATIO, COSINE = "gradient_ratio", "gradient_cosine"
EVERYTHING = {
    "terms": {**CLIP_TD["terms"], "crd": 0.8},
    "selection": {"draw": "sampled"},
    "crd": {"negatives": 5},
    "weighting": {"schedule": "cosine"},
}
"""Terms that draw and remember."""
THREE = {"optim": {"min_steps": 6, "evaluations": 3}}


def by_gradient(**distillation: Any) -> dict[str, Any]:
    return {**distillation, "weighting": {**distillation.get("weighting", {}), "unit": "gradient"}}


def made(cache: Path, config: TrialConfig, count: int = 8) -> tuple[TrainingStep, Parts]:
    """The first step of a trial on SNLI-VE, in two parts."""
    split = load_split(config.task.part, config.task.data, "train", cache)
    inputs = inputs_of(config, split, cache)
    torch.manual_seed(0)
    student = build_student(
        config.student, head=split.task.head, num_classes=len(split.classes), region_width=inputs.regions.width
    )
    features = open_features(config.teacher, cache, split)
    confidence = teacher_confidence(split, features, seed=0)
    table = TeacherTable(split, features, confidence, config.distillation, shuffle_seed=None)
    teachers = [(table.width, 1.0)]
    objective = Objective(config.distillation, student.width, teachers, num_examples=len(inputs), seed=0)
    halves = torch.arange(count).numpy().reshape(2, -1)
    parts = [(inputs.batch(half), (table(half),)) for half in halves]
    return TrainingStep(config.task.part, student, objective, optim=config.optim).train(), parts


def encoder_gradient(module: TrainingStep, loss: torch.Tensor) -> torch.Tensor:
    """By `backward`, in float64 on the way to the norm."""
    module.zero_grad(set_to_none=True)
    loss.backward()
    slopes = [torch.zeros_like(p) if p.grad is None else p.grad for p in module.student.encoder.parameters()]
    return torch.cat([slope.flatten().double() for slope in slopes])


def outcome(cache: Path, config: TrialConfig, link: Alone | None = None) -> TrialOutcome:
    job = TrialJob(
        trial_id="t", config=config, seed=1, evaluate=("val", "test"), cache=str(cache), keep_predictions=True
    )
    found = run_trial(job, link or Alone())
    assert link or found.status == "completed", found.error
    return found


def curve(found: TrialOutcome, name: str) -> dict[int, float]:
    return {point.step: point.value for point in found.curve if (point.split, point.metric) == ("train", name)}


def at_every_step(steps: int) -> frozenset[int]:
    return frozenset(range(steps))


def test_both_are_those_of_the_two_gradients_computed_apart(cache: Path) -> None:
    terms = {"terms": {"image": 0.5, "text": 2.0}, "weighting": {"confidence": "none", "schedule": "linear"}}
    module, parts = made(cache, smoke(distillation=terms, student={"dropout": 0.0}))
    found = measure(module, parts, progress=0.5, optim=module.optim)

    distillation = torch.zeros(())
    for batch, teachers in parts:
        said = module.summands(batch, teachers, 0.5)[1]
        term = {name: value.mean() for name, value in said.distilled[0].values.items()}
        distillation = distillation + 0.5 * (0.5 * term["image"] + 2.0 * term["text"]) / 2
    pull = encoder_gradient(module, distillation)
    module_again, parts = made(cache, smoke(distillation=terms, student={"dropout": 0.0}))
    wanted = encoder_gradient(module_again, sum(module_again.summands(b, t, 0.5)[1].task / 2 for b, t in parts))

    assert found[RATIO] == pytest.approx(float(pull.norm() / wanted.norm()), rel=1e-4)
    assert found[COSINE] == pytest.approx(float(pull @ wanted / pull.norm() / wanted.norm()), abs=1e-4)
    assert 0.01 < found[RATIO] < 100


def test_a_measurement_leaves_generators_buffers_and_parameters_as_they_were(cache: Path) -> None:
    module, parts = made(cache, smoke(distillation=EVERYTHING))
    generators = {name: made.get_state() for name, made in module.objective.generators.items()}
    before, random = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    measure(module, parts, progress=0.25, optim=module.optim)

    assert torch.equal(torch.get_rng_state(), random)
    assert {"tokens/0", "crd/0"} == generators.keys()
    assert all(torch.equal(module.objective.generators[name].get_state(), of) for name, of in generators.items())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize(
    "sections",
    [{"distillation": EVERYTHING}, {"distillation": CLIP_TD, "optim": {"adversarial": {"steps": 1}}}],
    ids=["terms that draw and remember", "adversarial"],
)
def test_training_has_the_same_bits_with_and_without_measurements(
    sections: dict[str, Any], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = smoke(**{**sections, "optim": {**THREE["optim"], **sections.get("optim", {})}})
    monkeypatch.setattr(loop, "measured_steps", lambda steps: frozenset())
    without = outcome(cache, config)
    monkeypatch.setattr(loop, "measured_steps", at_every_step)
    measured = outcome(cache, config)

    assert len(curve(measured, RATIO)) == len(curve(measured, COSINE)) > 4
    left = [point for point in measured.curve if point.metric not in (RATIO, COSINE)]
    assert told(replace(measured, curve=tuple(left))) == told(without)


def test_a_trial_tells_both_from_its_start_on_and_one_without_terms_neither(cache: Path) -> None:
    found = outcome(cache, smoke(distillation=CLIP_TD))
    assert list(curve(found, RATIO)) == list(curve(found, COSINE)) == [0]
    assert curve(found, RATIO)[0] > 0
    assert -1 <= curve(found, COSINE)[0] <= 1

    for config in (smoke(), smoke(distillation={"weighting": {"task": "kdar"}})):
        assert not curve(outcome(cache, config), RATIO)


@pytest.mark.parametrize("steps", [1, 6, 50, 51, 120, 200, 1600, 100_001])
def test_measurements_are_few_and_begin_with_the_first_step(steps: int) -> None:
    found = sorted(measured_steps(steps))
    assert found[0] == 0
    assert found[-1] < steps
    assert len(found) <= MEASUREMENTS
    assert all(after - before >= 50 for before, after in pairwise(found))


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_in_units_of_the_gradient_weight_one_pulls_as_the_task_does(weight: float, cache: Path) -> None:
    for name in ("image", "tokens", "similarity"):
        found = outcome(cache, smoke(distillation=by_gradient(terms={name: weight})))
        assert curve(found, RATIO)[0] == pytest.approx(weight, rel=1e-4), name


def test_each_term_has_a_factor_of_its_own(cache: Path) -> None:
    module, parts = made(cache, smoke(distillation=by_gradient(**CLIP_TD), student={"dropout": 0.0}))
    measure(module, parts, progress=0.0, optim=module.optim)
    (one,) = module.objective.teachers
    task = encoder_gradient(module, sum(module.summands(b, t, 0.0)[1].task / 2 for b, t in parts)).norm()
    for name, factor in zip(CLIP_TD["terms"], one.scales.tolist(), strict=True):
        alone = sum(module.summands(b, t, 0.0)[1].distilled[0].mean({name: 1.0}) / 2 for b, t in parts)
        assert factor * float(encoder_gradient(module, alone).norm()) == pytest.approx(float(task), rel=1e-4)
    assert len({*one.scales.tolist()}) == 3


def test_a_term_without_a_gradient_keeps_its_factor(cache: Path) -> None:
    module, parts = made(cache, smoke(distillation=by_gradient(terms={"tokens": 1.0})))
    silent = [
        (batch, tuple(replace(said, word_mask=torch.zeros_like(said.word_mask)) for said in teachers))
        for batch, teachers in parts
    ]
    found = measure(module, silent, progress=0.0, optim=module.optim)

    assert found == {RATIO: 0.0, COSINE: 0.0}
    assert module.objective.teachers[0].scales.tolist() == [1.0]


@pytest.fixture
def measured_twice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """At the start and after five steps, which is between two evaluations."""
    monkeypatch.setattr(loop, "measured_steps", lambda steps: frozenset((0, 5)))
    return iter(())


@pytest.mark.usefixtures("measured_twice")
@pytest.mark.parametrize("evaluation", [1, 2])
def test_weights_in_units_of_the_gradient_go_on_bit_for_bit_after_a_cut(evaluation: int, cache: Path) -> None:
    config = smoke(distillation=by_gradient(**EVERYTHING), **THREE)
    undisturbed = outcome(cache, config)
    cut = CutAfter(evaluation=evaluation)
    outcome(cache, config, cut)
    resumed = Alone(checkpoint=cut.checkpoint)

    assert told(outcome(cache, config, resumed)) == told(undisturbed)
    assert [*curve(undisturbed, RATIO)] == [0, 5]
    assert len(resumed.points) == 3 - evaluation


def test_the_unit_of_weights_is_of_no_matter_without_a_term() -> None:
    plain = TrialConfig.model_validate({"distillation": {"weighting": {"task": "kdar"}}})
    same = TrialConfig.model_validate({"distillation": {"weighting": {"task": "kdar", "unit": "gradient"}}})
    assert canonical(same) == canonical(plain)
    with_terms = TrialConfig.model_validate({"distillation": by_gradient(**CLIP_TD)})
    assert canonical(with_terms) != canonical(TrialConfig.model_validate({"distillation": CLIP_TD}))
