"""What the objective compares: the student's states and the teacher's features of one batch.

Dimensions: B batch, N words (padded), S student width, T teacher width, K classes or candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentOutputs:
    """States of the student's last layer; for VCR those of the right candidate's sequence."""

    h_cls: Tensor
    """(B, S) state of the first text position, which stands for the whole input."""
    h_image: Tensor
    """(B, S) state of the region that covers the whole image."""
    h_words: Tensor
    """(B, N, S) states averaged over the sub-tokens of each word; finite at padded words."""
    logits_BK: Tensor
    """Log-odds of each class, or that each candidate matches (`heads.log_odds`)."""
    truth_BK: Tensor
    """What the task wants: targets of the same examples, in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherTargets:
    """Frozen features of the teacher for the same examples, and how sure it was of the ground truth."""

    indices_B: Tensor
    """Positions of the examples in the training subset."""
    image_BT: Tensor
    """Image embedding."""
    text_BT: Tensor
    """Sentence embedding."""
    logit_scale: float
    """Factor of the teacher's cosines in its own contrastive softmax."""
    words_BNT: Tensor
    """Features that the student's words are drawn to (`distillation.selection.features`), in the precision that they
    are stored in; finite at padding; T is 0 where no term reads them."""
    prior_BN: Tensor
    """Logits of the prior by which words are selected (`relevance.prior_logits`)."""
    visual_BN: Tensor
    """Cosine of each word, encoded alone, with the image; zeros where nothing reads it."""
    word_mask_BN: Tensor
    """bool, true at words, false at padding."""
    probabilities_BK: Tensor
    """Of the classes or candidates; K is 0 where no term reads them."""
    confidence_B: Tensor
    """Probability of the ground truth, in [0, 1] (`confidence.truth_probability`)."""
    cross_entropy_B: Tensor
    """Cross-entropy with the ground truth in nats (`confidence.truth_cross_entropy`); -log(confidence) where the
    target is one class."""
    correct_B: Tensor
    """bool, true where the teacher's best class is the ground truth (`confidence.truth_is_best`)."""
