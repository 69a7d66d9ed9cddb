"""How sure a model is of the ground truth, for one-class and for soft targets (VQA).

Dimensions: B batch, K classes or candidates.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_PROBABILITY = 1e-8
"""Lower bound of probabilities before a logarithm, so that cross-entropies are finite."""


def truth_probability(probabilities_BK: Tensor, targets_BK: Tensor) -> Tensor:
    """Return (B,) the target-weighted arithmetic mean of the probabilities, sum_k y_k p_k / sum_k y_k.

    With a one-class target this is the probability of that class. An example without any target (a VQA question with
    no answer in the vocabulary) gets 0.
    """
    return (_shares(targets_BK) * probabilities_BK).sum(-1)


def truth_cross_entropy(probabilities_BK: Tensor, targets_BK: Tensor) -> Tensor:
    """Return (B,) the cross-entropy -sum_k y_k log p_k / sum_k y_k in nats.

    exp(-cross-entropy) is the target-weighted *geometric* mean of the probabilities. An example without any target
    gets the greatest value, -log(LEAST_PROBABILITY).
    """
    surprise_BK = -probabilities_BK.clamp_min(LEAST_PROBABILITY).log()
    cross_entropy_B = (_shares(targets_BK) * surprise_BK).sum(-1)
    greatest = -torch.log(cross_entropy_B.new_tensor(LEAST_PROBABILITY))
    return torch.where(targets_BK.sum(-1) > 0, cross_entropy_B, greatest)


def truth_is_best(probabilities_BK: Tensor, targets_BK: Tensor) -> Tensor:
    """Return (B,) bool: the most probable class has the greatest target, which is above 0."""
    at_best_B = targets_BK.gather(-1, probabilities_BK.argmax(-1, keepdim=True)).squeeze(-1)
    return (at_best_B > 0) & (at_best_B == targets_BK.amax(-1))


def _shares(targets_BK: Tensor) -> Tensor:
    sums_B1 = targets_BK.sum(-1, keepdim=True)
    return torch.where(sums_B1 > 0, targets_BK / sums_B1.clamp_min(LEAST_PROBABILITY), 0.0)
