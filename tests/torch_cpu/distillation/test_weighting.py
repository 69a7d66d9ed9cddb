from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.trainables.config import WeightingConfig
from ablative.trainables.distillation.weighting import example_weights
from ablative.trainables.distillation.weighting import mean_one
from ablative.trainables.distillation.weighting import task_weights
from ablative.trainables.distillation.weightings import WEIGHTINGS

CONFIDENCES = get_args(WeightingConfig.model_fields["confidence"].annotation)
KDAR = WeightingConfig(task="kdar")
STUDENT_B = torch.tensor([0.5, 0.02, 0.9, 0.3], dtype=torch.float64)


OF_THE_PAGE = ("none", "teacher", "ratio", "sigmoid", "exp_ce", "clipped_ratio", "correct")
"""W1 to W6; the formula of any other weighting is tested in a file of its own."""


def plain_weight(confidence: str, teacher: float, student: float, cross_entropy: float, correct: bool) -> float:
    """The table of docs/method.md for one example, tau 0.2 and w_max 1.5."""
    return {
        "none": 1.0,
        "teacher": teacher,
        "ratio": teacher / (teacher + student),
        "sigmoid": 1 / (1 + math.exp(-(teacher - student) / 0.2)),
        "exp_ce": math.exp(-cross_entropy),
        "clipped_ratio": min(teacher / student, 1.5),
        "correct": float(correct),
    }[confidence]


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("confidence", OF_THE_PAGE)
def test_weights_equal_the_table_computed_example_by_example(make_targets, confidence, normalise):
    targets = make_targets()
    config = WeightingConfig(confidence=confidence, normalise=normalise, temperature=0.2, max_weight=1.5)
    columns = (targets.confidence, STUDENT_B, targets.cross_entropy, targets.correct)
    expected = [plain_weight(confidence, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    if normalise:
        expected = [w * len(expected) / sum(expected) for w in expected]
    assert example_weights(config, targets, STUDENT_B).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_weights_are_finite_and_not_negative_at_the_ends_of_confidence(make_targets, confidence):
    ends = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    targets = replace(make_targets(), confidence=ends, cross_entropy=-ends.clamp_min(1e-8).log())
    weights_B = example_weights(WeightingConfig(confidence=confidence), targets, torch.tensor([0.0, 1.0, 0.0, 1.0]))
    assert torch.isfinite(weights_B).all()
    assert (weights_B >= 0).all()


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_weights_carry_no_gradient_to_student_or_teacher(make_targets, confidence):
    student_B = STUDENT_B.clone().requires_grad_()
    targets = make_targets(requires_grad=True)
    assert not example_weights(WeightingConfig(confidence=confidence), targets, student_B).requires_grad


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_uniform_weights_have_the_mean_of_those_they_stand_for(make_targets, confidence, normalise):
    config, targets = WeightingConfig(confidence=confidence, normalise=normalise), make_targets()
    spread_B = example_weights(config, targets, STUDENT_B)
    uniform_B = example_weights(config.model_copy(update={"uniform": True}), targets, STUDENT_B)
    assert uniform_B.tolist() == pytest.approx([spread_B.mean().item()] * 4)


def test_kdar_weighs_the_task_by_the_ratio_of_the_surprises(make_targets):
    targets = make_targets()
    pairs = zip(targets.confidence.tolist(), STUDENT_B.tolist(), strict=True)
    expected = [1 - math.exp(-math.log(teacher) / math.log(student)) for teacher, student in pairs]
    assert task_weights(KDAR, targets, STUDENT_B).tolist() == pytest.approx(expected)


def test_kdar_weights_stay_in_the_unit_interval_at_the_ends_of_confidence(make_targets):
    ends_B = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    weights_B = task_weights(KDAR, replace(make_targets(), confidence=ends_B), torch.tensor([0.0, 1.0, 0.0, 1.0]))
    assert weights_B.tolist() == pytest.approx([1 - math.exp(-1), 1.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"weighting\.task='kdar'.*student_confidence_B"):
        task_weights(KDAR, make_targets(), None)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 5, width=32), min_size=1, max_size=20))
def test_normalised_weights_have_mean_one_and_keep_their_proportions(values):
    weights_B = torch.tensor(values)
    scaled_B = mean_one(weights_B)
    if weights_B.mean() > 1e-12:
        assert scaled_B.mean().item() == pytest.approx(1.0, rel=1e-5)
        torch.testing.assert_close(scaled_B * weights_B.max(), weights_B * scaled_B.max())
    else:
        assert torch.equal(scaled_B, weights_B)


def test_a_batch_in_which_the_teacher_is_never_right_distils_nothing(make_targets):
    targets = replace(make_targets(), correct=torch.zeros(4, dtype=torch.bool))
    assert example_weights(WeightingConfig(confidence="correct"), targets, None).tolist() == [0.0] * 4


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_exactly_the_comparing_weights_ask_for_the_student_confidence(make_targets, confidence):
    config, targets = WeightingConfig(confidence=confidence), make_targets()
    if WEIGHTINGS[confidence].compares:
        with pytest.raises(ValueError, match=f"confidence='{confidence}'.*student_confidence_B"):
            example_weights(config, targets, None)
    else:
        assert torch.equal(example_weights(config, targets, None), example_weights(config, targets, STUDENT_B))
