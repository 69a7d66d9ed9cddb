"""How strongly each example is distilled, from the confidence of teacher and student (docs/method.md, "Confidence").

Dimensions: B batch. With c_T and c_S the probability that teacher and student give to the ground truth:

    none           1
    teacher        c_T                        W1
    ratio          c_T / (c_T + c_S)          W2
    sigmoid        sigmoid((c_T - c_S) / tau) W3
    exp_ce         exp(-CE_T)                 W4, differs from W1 only where the target is soft (VQA)
    clipped_ratio  min(c_T / c_S, w_max)      W5
    correct        1 where teacher is right   W6

KDAR (arXiv 2501.05690) weighs the task loss instead, by 1 - exp(-log c_T / log c_S).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed

from ablative.trainables.config import WeightingConfig
from ablative.trainables.distillation.confidence import LEAST_PROBABILITY
from ablative.trainables.distillation.outputs import TeacherTargets

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

    With `uniform` each example has the mean. It is over the batch of all workers, so that their number does not
    change what is learned. Raises ValueError if the weighting needs `student_confidence_B` and it is None.
    """
    weights_B = _raw_weights(weighting, targets, student_confidence_B).float()
    weights_B = mean_one(weights_B) if weighting.normalise else weights_B
    return _over_workers(weights_B.mean()).expand_as(weights_B) if weighting.uniform else weights_B


@torch.no_grad()
def task_weights(targets: TeacherTargets, student_confidence_B: Tensor | None) -> Tensor:
    """Return (B,) KDAR's weights of the task loss, in [0, 1]: 1 - exp(-log c_T / log c_S), never normalised.

    Near 0 where the teacher is much surer of the truth than the student, near 1 where the student is.
    Raises ValueError if `student_confidence_B` is None.
    """
    if student_confidence_B is None:
        raise _without_student("distillation.weighting.task='kdar'")
    teacher_B, student_B = _surprise(targets.confidence_B), _surprise(student_confidence_B)
    return -torch.expm1(-teacher_B / student_B.clamp_min(LEAST_DIVISOR))


def _surprise(confidence_B: Tensor) -> Tensor:
    return -confidence_B.clamp(LEAST_PROBABILITY, 1.0).log()


def mean_one(weights_B: Tensor) -> Tensor:
    """Return the weights divided by their mean over all workers' equal shares; a batch of zeros stays zeros."""
    mean = _over_workers(weights_B.mean())
    return torch.where(mean > LEAST_MEAN, weights_B / mean.clamp_min(LEAST_MEAN), weights_B)


def _over_workers(mean: Tensor) -> Tensor:
    if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() == 1:
        return mean
    total = mean.clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()


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
        raise _without_student(f"distillation.weighting.confidence={weighting.confidence!r}")
    return _compared(weighting, targets.confidence_B, student_B)


def _compared(weighting: WeightingConfig, teacher_B: Tensor, student_B: Tensor) -> Tensor:
    match weighting.confidence:
        case "ratio":
            return teacher_B / (teacher_B + student_B).clamp_min(LEAST_DIVISOR)
        case "sigmoid":
            return torch.sigmoid((teacher_B - student_B) / weighting.temperature)
        case _:
            return (teacher_B / student_B.clamp_min(LEAST_DIVISOR)).clamp_max(weighting.max_weight)


def _without_student(option: str) -> ValueError:
    return ValueError(
        f"{option} compares teacher and student: "
        "pass the student's probability of the ground truth as student_confidence_B, found None"
    )
