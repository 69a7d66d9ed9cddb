"""Which words or regions of each example are distilled, and at which share (docs/method.md, "Tokens").

Dimensions: B batch, N words or regions (padded).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ablative.trainables.distillation.relevance import Relevance
from ablative.trainables.distillation.relevance import cosines_with
from ablative.trainables.distillation.relevance import standardise
from ablative.trainables.distillation.scores import SCORES
from ablative.trainables.distillation.settings import SelectionConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The selected words of a batch."""

    chosen_BN: Tensor
    """bool, true at selected words."""
    weights_BN: Tensor
    """Shares q_i: 0 outside the selection, sum 1 in each example (0 in an example without words)."""
    most: int
    """No example has more words selected."""


@torch.no_grad()
def prior_logits(selection: SelectionConfig, relevance: Relevance) -> Tensor:
    """Return (B, N) the logits whose softmax over the words is the prior p_i.

    logits_i = z(r_i) / tau with the score's relevance r, where z standardises within the example. For
    `visual_semantic`: (a z(r_i^visual) + (1 - a) z(r_i^semantic)) / tau with a = `visual_share`. A score without
    relevance has a flat prior.
    """
    relevance_of = SCORES[selection.score].relevance
    if relevance_of is None:
        return torch.zeros(relevance.mask_BN.shape)
    return relevance_of(relevance, selection.visual_share) / selection.temperature


@torch.no_grad()
def region_logits(selection: SelectionConfig, regions_BRT: Tensor, sentence_BT: Tensor, mask_BR: Tensor) -> Tensor:
    """Return (B, R) the logits of the prior over regions: z(cos(region, sentence)) / tau, z as for words.

    Every score that ranks words ranks regions by the sentence; one without relevance has a flat prior here too.
    """
    if SCORES[selection.score].relevance is None:
        return torch.zeros(mask_BR.shape, device=mask_BR.device)
    relevance_BR = cosines_with(sentence_BT, regions_BRT)
    return standardise(relevance_BR, mask_BR) / selection.temperature


def num_selected(mask_BN: Tensor, ratio: float, count: int = 0) -> Tensor:
    """Return (B,) k = max(1, round(ratio * n)) of n words, halves rounded to even; 0 without words.

    With a `count`, k = min(count, n).
    """
    num_words_B = mask_BN.sum(-1)
    if count:
        return num_words_B.clamp_max(count)
    rounded_B = (ratio * num_words_B.double()).round().long().clamp_min(1)
    return torch.minimum(rounded_B, num_words_B)


def most_selected(selection: SelectionConfig, num_words: int) -> int:
    """Return the greatest k for texts with up to `num_words` words, without waiting for a device."""
    if SCORES[selection.score].every:
        return num_words
    return min(num_words, selection.count or max(1, round(selection.ratio * num_words)))


def top_k(scores_BN: Tensor, mask_BN: Tensor, k_B: Tensor) -> Tensor:
    """Return (B, N) bool: the k_B highest scores among each example's words; the earlier word wins a tie."""
    order_BN = _words_only(scores_BN, mask_BN).argsort(dim=-1, descending=True, stable=True)
    ranks_BN = order_BN.argsort(dim=-1)
    return (ranks_BN < k_B.unsqueeze(-1)) & mask_BN


def sample(logits_BN: Tensor, mask_BN: Tensor, k_B: Tensor, generator: torch.Generator) -> Tensor:
    """Return (B, N) bool: k_B words drawn one after another without replacement, each from the renormalised prior.

    The highest logits after adding Gumbel noise are such a draw (Gumbel-top-k). The noise is made on the generator's
    device, so a seed selects the same words on every device.
    """
    noise_BN = torch.empty(logits_BN.shape, device=generator.device).exponential_(generator=generator)
    gumbel_BN = -noise_BN.clamp_min(torch.finfo(noise_BN.dtype).tiny).log()
    return top_k(logits_BN + gumbel_BN.to(logits_BN.device), mask_BN, k_B)


def softmax_over(logits_BN: Tensor, chosen_BN: Tensor) -> Tensor:
    """Return (B, N) the softmax over the chosen words, that is, the prior renormalised to them; 0 elsewhere."""
    shares_BN = torch.softmax(_words_only(logits_BN, chosen_BN), dim=-1)
    return torch.where(chosen_BN, shares_BN, 0.0)


@torch.no_grad()
def select(selection: SelectionConfig, logits_BN: Tensor, mask_BN: Tensor, generator: torch.Generator) -> Selection:
    """Select by the prior with these logits; only a flat prior and `sampled` draw from the generator."""
    chosen_BN = _chosen(selection, logits_BN, mask_BN, generator)
    flat = selection.weights == "uniform"
    weights_BN = softmax_over(torch.zeros_like(logits_BN) if flat else logits_BN, chosen_BN)
    return Selection(chosen_BN=chosen_BN, weights_BN=weights_BN, most=most_selected(selection, mask_BN.shape[1]))


def _chosen(selection: SelectionConfig, logits_BN: Tensor, mask_BN: Tensor, generator: torch.Generator) -> Tensor:
    score = SCORES[selection.score]
    if score.every:
        return mask_BN
    k_B = num_selected(mask_BN, selection.ratio, selection.count)
    if score.relevance is None or selection.draw == "sampled":
        return sample(logits_BN, mask_BN, k_B, generator)
    return top_k(logits_BN, mask_BN, k_B)


def _words_only(scores_BN: Tensor, mask_BN: Tensor) -> Tensor:
    # The smallest number instead of -inf, so that a row without words does not become NaN.
    return scores_BN.masked_fill(~mask_BN, torch.finfo(scores_BN.dtype).min)
