"""The two sides that the objective compares: the student's states and the teacher's features of one batch.

A term declares what it reads by these names, `student.cls` or `teacher.image` (`ablative.trainables.parts.term`).
Dimensions: B batch, N words (padded), R regions (padded), S student width, T teacher width, K classes or candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

import torch
from torch import Tensor


def _no_regions() -> Tensor:
    return torch.zeros(0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentOutputs:
    """States of the student's last layer; in VCR those of the right candidate's sequence."""

    cls: Tensor
    """(B, S) state of the first text position, which stands for the whole input."""
    image: Tensor
    """(B, S) state of the region that covers the whole image."""
    words: Tensor
    """(B, N, S) states averaged over the sub-tokens of each word; finite at padded words."""
    logits: Tensor
    """(B, K) log-odds of each class, or that each candidate matches (`heads.log_odds`)."""
    truth: Tensor
    """(B, K) targets of the same examples, in [0, 1]."""
    regions: Tensor = field(default_factory=_no_regions)
    """(B, R, S) states of the regions after the whole image. R is the same as the teacher's; 0 if no term reads them.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherOutputs:
    """The teacher's frozen features of the same examples, and its confidence in the ground truth."""

    index: Tensor
    """(B,) positions of the examples in the training subset."""
    image: Tensor
    """(B, T) image embedding."""
    text: Tensor
    """(B, T) sentence embedding."""
    scale: float
    """Factor of the teacher's cosines in its own contrastive softmax."""
    words: Tensor
    """(B, N, T) targets of the student's words (`distillation.selection.features`), in their stored precision; finite
    at padding. T is 0 if no term reads them."""
    prior: Tensor
    """(B, N) logits of the prior by which words are selected (`selection.prior_logits`)."""
    visual: Tensor
    """(B, N) cosine of each word, encoded alone, with the image; zeros if nothing reads it."""
    word_mask: Tensor
    """(B, N) bool, true at words, false at padding."""
    probabilities: Tensor
    """(B, K) of the classes or candidates; K is 0 if no term reads them."""
    confidence: Tensor
    """(B,) probability of the ground truth, in [0, 1] (`confidence.truth_probability`)."""
    cross_entropy: Tensor
    """(B,) cross-entropy with the ground truth in nats (`confidence.truth_cross_entropy`); -log(confidence) if the
    target is one class."""
    correct: Tensor
    """(B,) bool, true where the teacher's best class is the ground truth (`confidence.truth_is_best`)."""
    regions: Tensor = field(default_factory=_no_regions)
    """(B, R, T) unit features of the student's regions, in their stored precision. Zeros at padding, and at regions of
    which the teacher sees nothing. R is 0 if no term reads them."""
    region_mask: Tensor = field(default_factory=_no_regions)
    """(B, R) bool, true at regions of which the teacher sees something."""
