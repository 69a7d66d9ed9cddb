"""Adversarial training in embedding space (VILLA, arXiv 2006.06195, equations 3 to 6 and its algorithm 1).

    R_m = 1/K sum over t < K of  L(f(x + d_t), y) + a KL_sym(f(x + d_t), f(x))        for a modality m d_0 = 0,
    d_{t+1} = d_t + rate_m g_t / ||g_t||,   g_t the gradient of the summand t in d_t

is added to the task loss for each modality whose rate is above 0. The text's d is added to word vectors, the image's
to region features; only one modality is perturbed at a time. The norm is over all of a sequence's d. As in their
configurations, ||d|| has no bound. KL_sym is KL(p||q) + KL(q||p). For heads that score each class by itself, p =
sigmoid(z), and KL_sym is (p_a - p_b)(z_a - z_b), summed over classes. VCR's match / no match is the same with z the
difference of both logits.

The gradient in the parameters is their "free" one, summed over all d_t. The ascent has passes of its own, each of
which costs half a pass more. Each pass draws its own dropout.

Dimensions: B sequences, L tokens, R regions, S student width, K decisions of a sequence (classes; 1 in VCR).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ablative.trainables.config import AdversarialConfig
from ablative.trainables.students.single_stream import StudentBatch

Judged = Callable[[StudentBatch], tuple[Tensor, Tensor]]
"""Inputs -> scalar task loss, and the log-odds (B, K) of each decision."""

LEAST_NORM = 1e-12


def adversarial_loss(
    config: AdversarialConfig, judged: Judged, inputs: StudentBatch, clean_BK: Tensor, width: int
) -> Tensor:
    """Return the sum of R_m; `clean_BK`: log-odds of the unperturbed inputs, `width`: the student's.

    Raises ValueError if the image is to be perturbed and the student reads pictures, not region features.
    """
    found = []
    if config.text_rate:
        start = inputs.boxes_BR7.new_zeros(*inputs.ids_BL.shape, width)
        found.append(
            _climbed(config, config.text_rate, judged, lambda d: replace(inputs, nudge_BLS=d), start, clean_BK)
        )
    if config.image_rate:
        if inputs.pixels_I3HW is not None:
            raise ValueError(
                "optim.adversarial.image_rate disturbs region features, and this student reads pictures: "
                "set it to 0, or student.visual_input to regions with a preset without a trunk"
            )
        start = torch.zeros_like(inputs.regions_BRF, dtype=inputs.boxes_BR7.dtype)
        found.append(
            _climbed(
                config,
                config.image_rate,
                judged,
                lambda d: replace(inputs, regions_BRF=inputs.regions_BRF + d),
                start,
                clean_BK,
            )
        )
    return sum(found, clean_BK.new_zeros(()))


def symmetric_divergence(first_BK: Tensor, second_BK: Tensor) -> Tensor:
    """Return (B, K) KL(p||q) + KL(q||p) of the Bernoulli distributions with these log-odds."""
    first_BK, second_BK = first_BK.float(), second_BK.float()
    return (first_BK.sigmoid() - second_BK.sigmoid()) * (first_BK - second_BK)


def _climbed(
    config: AdversarialConfig,
    rate: float,
    judged: Judged,
    disturbed: Callable[[Tensor], StudentBatch],
    nudge: Tensor,
    clean_BK: Tensor,
) -> Tensor:
    summands = []
    for step in range(config.steps):
        nudge = nudge.detach().requires_grad_()
        loss, odds_BK = judged(disturbed(nudge))
        summands.append(loss + config.kl_weight * symmetric_divergence(odds_BK, clean_BK).sum(-1).mean())
        if step + 1 < config.steps:
            (gradient,) = torch.autograd.grad(summands[-1], nudge, retain_graph=True)
            norm = gradient.flatten(1).norm(dim=1).clamp_min(LEAST_NORM).view(-1, 1, 1)
            nudge = nudge + rate * gradient / norm
    return torch.stack(summands).mean()
