"""Task heads and task losses on h_cls: L_task of docs/method.md, "Objective", as UNITER is fine-tuned.

B examples, C candidates an example (1 where classes are told apart), K classes, S student width.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from ablative.trainables.parts.task import Head
from ablative.trainables.parts.task import RankedBy

MATCH = 1  # index of the match logit in the two-way head over candidates


class ClassifierHead(nn.Module):
    """BERT's pooler, then Linear(S, 2S), GELU, LayerNorm, Linear(2S, K)."""

    def __init__(self, width: int, num_classes: int, bias: float) -> None:
        """`bias`: start value of each logit, from `starting_logit`."""
        super().__init__()
        scores = nn.Linear(2 * width, num_classes)
        nn.init.constant_(scores.bias, bias)
        self.layers = nn.Sequential(
            nn.Linear(width, width),
            nn.Tanh(),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.LayerNorm(2 * width),
            scores,
        )

    def forward(self, h_cls: torch.Tensor) -> torch.Tensor:
        """(B * C, K) logits."""
        logits: torch.Tensor = self.layers(h_cls)
        return logits


def num_outputs(head: Head, num_classes: int) -> int:
    """Output width of the head: two for match / no match of a candidate, else one for each class."""
    return 2 if head == "candidates" else num_classes


def starting_logit(head: Head, num_classes: int) -> float:
    """Log-odds of one class in K if each is scored by itself, 0 for the two-way softmax of a candidate.

    Otherwise a short training spends its steps on learning that most answers are wrong (arXiv 1708.02002 starts rare
    classes so).
    """
    return 0.0 if head == "candidates" else -math.log(max(1, num_classes - 1))


def task_loss(head: Head, logits: torch.Tensor, targets_BK: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Mean task loss over the batch, with label smoothing (1 - e) y + e / K over the K outputs (arXiv 1512.00567).

    Candidates: cross-entropy match / no match on each of the C sequences, logits (B * C, 2), targets_BK (B, C).
    Classes: binary cross-entropy against soft targets, mean over classes times K (UNITER).
    """
    if head == "candidates":
        return F.cross_entropy(logits, targets_BK.reshape(-1).round().long(), label_smoothing=smoothing)
    return F.binary_cross_entropy_with_logits(logits, _smoothed(targets_BK, smoothing)) * targets_BK.shape[1]


def task_losses(head: Head, logits: torch.Tensor, targets_BK: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """(B,) losses of the examples; their mean is `task_loss`."""
    if head == "candidates":
        classes = targets_BK.reshape(-1).round().long()
        losses = F.cross_entropy(logits, classes, label_smoothing=smoothing, reduction="none")
        return losses.view(targets_BK.shape).mean(-1)
    return F.binary_cross_entropy_with_logits(logits, _smoothed(targets_BK, smoothing), reduction="none").sum(-1)


def _smoothed(targets_BK: torch.Tensor, smoothing: float) -> torch.Tensor:
    return (1 - smoothing) * targets_BK + smoothing / targets_BK.shape[1] if smoothing else targets_BK


def log_odds(head: Head, logits: torch.Tensor, num_candidates: int) -> torch.Tensor:
    """(B, K) log-odds of each class: the logits themselves; (B, C) of a match with each candidate."""
    if head == "candidates":
        return (logits[:, MATCH] - logits[:, 1 - MATCH]).view(-1, num_candidates)
    return logits


def probabilities(
    head: Head, logits: torch.Tensor, num_candidates: int, ranked_by: RankedBy = "match_odds"
) -> torch.Tensor:
    """(B, C) over candidates; (B, K) softmax of exclusive classes, sigmoid of independent ones.

    Candidates: a softmax over the log-probabilities of a match, which rank like its log-odds. With `match_logit`, over
    the match logits, as UNITER ranks; its two logits need not have the same sum in each candidate.
    """
    if head == "candidates":
        scores = logits if ranked_by == "match_logit" else F.log_softmax(logits, dim=-1)
        return scores[:, MATCH].view(-1, num_candidates).softmax(dim=-1)
    return logits.softmax(dim=-1) if head == "exclusive" else logits.sigmoid()
