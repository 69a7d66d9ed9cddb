"""How strongly each example is distilled, from the confidence of teacher and student (docs/method.md, "Confidence").

Dimensions: B batch. With c_T and c_S the probability that teacher and student give to the ground truth:

    none           1
    teacher        c_T                        W1
    ratio          c_T / (c_T + c_S)          W2
    sigmoid        sigmoid((c_T - c_S) / tau) W3
    exp_ce         exp(-CE_T)                 W4, differs from W1 only where the target is soft (VQA)
    clipped_ratio  min(c_T / c_S, w_max)      W5
    correct        1 where teacher is right   W6
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.config import WeightingConfig
from trainables.distillation.outputs import TeacherTargets

LEAST_DIVISOR = 1e-6
"""Confidences that are divided by are raised to this, so that a student sure of a wrong answer gives no infinity."""

LEAST_MEAN = 1e-12
"""A batch with a smaller mean weight has nothing to distil and is not scaled up."""

STUDENT_CONFIDENCE = frozenset({"ratio", "sigmoid", "clipped_ratio"})
"""Values of `distillation.weighting.confidence` that need the student's confidence."""


@torch.no_grad()
def example_weights(
    weighting: WeightingConfig, targets: TeacherTargets, student_confidence_B: Tensor | None
) -> Tensor:
    """Return (B,) weights >= 0, without gradient; with `normalise` their mean is 1, or 0 if all are 0.

    The mean is over the examples given, so with several workers over each worker's share of the batch.
    Raises ValueError if the weighting needs `student_confidence_B` and it is None.
    """
    weights_B = _raw_weights(weighting, targets, student_confidence_B).float()
    return mean_one(weights_B) if weighting.normalise else weights_B


def mean_one(weights_B: Tensor) -> Tensor:
    """Return the weights divided by their mean; a batch of zeros stays zeros."""
    mean = weights_B.mean()
    return torch.where(mean > LEAST_MEAN, weights_B / mean.clamp_min(LEAST_MEAN), weights_B)


def _raw_weights(weighting: WeightingConfig, targets: TeacherTargets, student_B: Tensor | None) -> Tensor:
    match weighting.confidence:
        case "none":
            return torch.ones_like(targets.confidence_B)
        case "teacher":
            return targets.confidence_B
        case "exp_ce":
            return torch.exp(-targets.cross_entropy_B)
        case "correct":
            return targets.correct_B
    if student_B is None:
        raise ValueError(
            f"distillation.weighting.confidence={weighting.confidence!r} compares teacher and student: "
            "pass the student's probability of the ground truth as student_confidence_B, found None"
        )
    return _compared(weighting, targets.confidence_B, student_B)


def _compared(weighting: WeightingConfig, teacher_B: Tensor, student_B: Tensor) -> Tensor:
    match weighting.confidence:
        case "ratio":
            return teacher_B / (teacher_B + student_B).clamp_min(LEAST_DIVISOR)
        case "sigmoid":
            return torch.sigmoid((teacher_B - student_B) / weighting.temperature)
        case _:
            return (teacher_B / student_B.clamp_min(LEAST_DIVISOR)).clamp_max(weighting.max_weight)
