"""How relevant each word is to picture and sentence, according to the teacher (docs/method.md, "Tokens").

Dimensions: B batch, N words (padded), T teacher width.

Relevance uses words encoded alone. CLIP trains only the sentence position of its text tower, so a word's state inside
the sentence may lie elsewhere than images and sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ablative.trainables.distillation.distance import precise
from ablative.trainables.distillation.distance import unit_length

LEAST_DEVIATION = 1e-6
"""Relevances that differ by less than this count as equal, so that rounding noise is not amplified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relevance:
    """Relevances of a batch's words; zeros if the selection's score does not read them."""

    visual_BN: Tensor
    """Cosine with the image."""
    semantic_BN: Tensor
    """Cosine with the sentence."""
    known_BN: Tensor
    """By a score of whole texts (`scores.Score.of_texts`)."""
    mask_BN: Tensor
    """bool, true at words."""


def cosine_relevance(words_BNT: Tensor, image_BT: Tensor, sentence_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B, N) visual and (B, N) semantic relevance: each word's cosine with the image, and with the sentence."""
    unit_BNT = unit_length(words_BNT)
    return cosines_with(image_BT, unit_BNT), cosines_with(sentence_BT, unit_BNT)


def cosines_with(whole_BT: Tensor, parts_BNT: Tensor) -> Tensor:
    """Return (B, N) the cosine of each part with the whole of its example; `parts_BNT` have length 1, or 0."""
    cosines_BN: Tensor = (precise(parts_BNT) * unit_length(whole_BT).unsqueeze(1)).sum(-1)
    return cosines_BN


def standardise(relevance_BN: Tensor, mask_BN: Tensor) -> Tensor:
    """Return (B, N) with mean 0 and standard deviation 1 (population) over each example's words; 0 at padding.

    An example with equally relevant words, or with one word, gets zeros.
    """
    num_words_B1 = mask_BN.sum(-1, keepdim=True).clamp_min(1)
    centred_BN = _keep(relevance_BN, mask_BN)
    centred_BN = _keep(centred_BN - centred_BN.sum(-1, keepdim=True) / num_words_B1, mask_BN)
    deviation_B1 = (centred_BN.square().sum(-1, keepdim=True) / num_words_B1).sqrt()
    return torch.where(deviation_B1 > LEAST_DEVIATION, centred_BN / deviation_B1.clamp_min(LEAST_DEVIATION), 0.0)


def _keep(values_BN: Tensor, mask_BN: Tensor) -> Tensor:
    return torch.where(mask_BN, values_BN, 0.0)
