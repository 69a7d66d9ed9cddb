"""Distances between projected student features and teacher features.

Dimensions: ... any leading dimensions, D teacher width.

Both sides are scaled to unit length and multiplied by sqrt(D), so their coordinates have root mean square 1 at any
width. Every distance is then a mean over coordinates and does not shrink as D grows. With delta = sqrt(D) (s - t) for
unit vectors s and t:

    cosine     1 - s.t                                                     in [0, 2]
    mse        mean(delta^2) = ||s - t||^2 = 2 cosine                      in [0, 4]
    l1         mean(|delta|) <= ||s - t|| = sqrt(mse)                      in [0, 2]
    smooth_l1  mean(delta^2 / 2 where |delta| < 1, else |delta| - 1/2)     <= min(l1, cosine)

The usual mean squared error of unit vectors is this `mse` divided by D.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

ZERO_LENGTH_SQUARED = 1e-8
"""Added to squared lengths. A vector much shorter than 1e-4 stays short, and the gradient at zero is finite."""

Distance = Callable[[Tensor, Tensor], Tensor]
"""(student (..., D), teacher (..., D)) -> (...)."""


def unit_length(features: Tensor) -> Tensor:
    """Return `features` (..., D) scaled to length 1 along the last axis, in float32 or better; zeros stay zeros."""
    features = precise(features)
    return features * _inverse_length(features).unsqueeze(-1)


def precise(features: Tensor) -> Tensor:
    """Return features in float32 or better."""
    return features.to(torch.promote_types(features.dtype, torch.float32))


def _inverse_length(features: Tensor) -> Tensor:
    return torch.rsqrt(features.square().sum(-1) + ZERO_LENGTH_SQUARED)


def full_precision(like: Tensor) -> torch.autocast:
    """Context without rounding to bfloat16, which would destroy relations within a batch."""
    return torch.autocast(like.device.type, enabled=False)


def cosine(student: Tensor, teacher: Tensor) -> Tensor:
    """Return (...) one minus the cosine of the angle."""
    student, teacher = precise(student), precise(teacher)
    # Dividing the products by the lengths, not the features, saves a fifth of the time, forward and backward.
    return 1 - (student * teacher).sum(-1) * _inverse_length(student) * _inverse_length(teacher)


def mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Return (...) the mean squared difference of the coordinates at root mean square 1."""
    return _difference(student, teacher).square().mean(-1)


def l1(student: Tensor, teacher: Tensor) -> Tensor:
    """Return (...) the mean absolute difference of the coordinates at root mean square 1."""
    return _difference(student, teacher).abs().mean(-1)


def smooth_l1(student: Tensor, teacher: Tensor) -> Tensor:
    """Return (...) the mean Huber loss (threshold 1) of the coordinates at root mean square 1."""
    size = _difference(student, teacher).abs()
    return torch.where(size < 1, size.square() / 2, size - 0.5).mean(-1)


def _difference(student: Tensor, teacher: Tensor) -> Tensor:
    return (unit_length(student) - unit_length(teacher)) * math.sqrt(student.shape[-1])


DISTANCES: dict[str, Distance] = {"l1": l1, "smooth_l1": smooth_l1, "mse": mse, "cosine": cosine}
"""`distillation.distance` -> function."""
