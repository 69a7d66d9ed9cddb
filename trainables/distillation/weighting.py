"""Weights of the examples of a batch, from the tables in `weightings`. Dimensions: B batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed

from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.distillation.settings import WeightingConfig
from ablative.trainables.distillation.weightings import TASK_WEIGHTINGS
from ablative.trainables.distillation.weightings import WEIGHTINGS
from ablative.trainables.distillation.weightings import Weighting

LEAST_MEAN = 1e-12
"""A batch with a smaller mean weight has nothing to distil, so it is not scaled up."""


@torch.no_grad()
def example_weights(settings: WeightingConfig, teacher: TeacherOutputs, student_confidence_B: Tensor | None) -> Tensor:
    """Return (B,) weights >= 0, without gradient; with `normalise` their mean is 1, or 0 if all are 0.

    With `uniform` each example has the mean. The mean is over the batch of all workers, so their number does not
    change the result. Raises ValueError if the weighting needs `student_confidence_B` and it is None.
    """
    weights_B = _weights(
        WEIGHTINGS[settings.confidence], "confidence", settings, teacher, student_confidence_B
    ).float()
    weights_B = mean_one(weights_B) if settings.normalise else weights_B
    return over_workers(weights_B.mean()).expand_as(weights_B) if settings.uniform else weights_B


@torch.no_grad()
def task_weights(settings: WeightingConfig, teacher: TeacherOutputs, student_confidence_B: Tensor | None) -> Tensor:
    """Return (B,) weights of the task loss, without gradient and never normalised.

    Raises ValueError if the weighting needs `student_confidence_B` and it is None.
    """
    return _weights(TASK_WEIGHTINGS[settings.task], "task", settings, teacher, student_confidence_B)


def mean_one(weights_B: Tensor) -> Tensor:
    """Return the weights divided by their mean over all workers' equal shares; a batch of zeros stays zeros."""
    mean = over_workers(weights_B.mean())
    return torch.where(mean > LEAST_MEAN, weights_B / mean.clamp_min(LEAST_MEAN), weights_B)


def _weights(
    weighting: Weighting, field: str, settings: WeightingConfig, teacher: TeacherOutputs, student_B: Tensor | None
) -> Tensor:
    if weighting.weight is None:
        return torch.ones_like(teacher.confidence)
    if weighting.compares and student_B is None:
        raise ValueError(
            f"distillation.weighting.{field}={weighting.name!r} compares teacher and student: "
            "pass the student's probability of the ground truth as student_confidence_B, found None"
        )
    return weighting.weight(teacher, student_B, settings)


def over_workers(mean: Tensor) -> Tensor:
    """Return the mean over all workers of their means over equal shares."""
    if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() == 1:
        return mean
    total = mean.clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()
