"""InfoNCE between two sides of matched pairs, and its form for a fused student (docs/method.md, "Adaptation").

Dimensions: B batch, D width of both sides, S student width, T teacher width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch import nn
from torch.nn import functional as F

from ablative.trainables.distillation.distance import full_precision
from ablative.trainables.distillation.distance import unit_length
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.distillation.projection import initial_projection
from ablative.trainables.distillation.projection import stream

SCALE = 1 / 0.07
"""Inverse temperature of the student's contrast: where CLIP's training starts (arXiv 2103.00020)."""
ALIKE = 1 - 1e-4
"""Above this cosine two keys count as one: two examples of the same picture are not each other's negatives."""


def alike(features_BD: Tensor) -> Tensor:
    """Return (B, B) bool, true where two different rows hold the same picture, or the same sentence."""
    unit = unit_length(features_BD)
    with full_precision(unit):
        cosines_BB = unit @ unit.T
    return (cosines_BB > ALIKE) & ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)


def info_nce(queries_BD: Tensor, keys_KD: Tensor, scale: float, hidden_BK: Tensor) -> Tensor:
    """Return (B,) the cross-entropy of finding a query's own key, -log softmax(scale * cos) (arXiv 1807.03748).

    Key i is query i's own; the K - B keys after them belong to no query. `hidden_BK`: keys left out of the softmax,
    such as another example's sentence that is true of the same picture.
    """
    with full_precision(queries_BD):
        logits_BK = scale * unit_length(queries_BD) @ unit_length(keys_KD).T
    logits_BK = logits_BK.masked_fill(hidden_BK, torch.finfo(logits_BK.dtype).min)
    return F.cross_entropy(logits_BK, torch.arange(len(queries_BD), device=logits_BK.device), reduction="none")


class StudentContrast(nn.Module):
    """The contrast of AF-S: 1/2 [InfoNCE(P_v h_image, sentences) + InfoNCE(P_t h_cls, images)] over matched pairs.

    A fused student encodes no side alone, so its two sides cannot be contrasted with each other. Instead each state is
    contrasted with the batch's teacher embeddings of the *other* modality, as in CLIP-KD's interactive contrast of two
    towers. The projections exist in training only.
    """

    def __init__(
        self, student_width: int, teacher_width: int, *, seed: int, teacher: int = 0, shared: nn.Linear | None = None
    ) -> None:
        """`shared`: the map of both sides, if all terms share one."""
        super().__init__()
        self.image, self.text = (
            shared or initial_projection(student_width, teacher_width, stream(seed, f"contrast {side}", teacher))
            for side in ("image", "text")
        )

    def forward(self, student: StudentOutputs, targets: TeacherOutputs, matched_B: Tensor) -> Tensor:
        """Return the mean over matched rows, a scalar; 0 in a batch without any. Unmatched rows are keys only."""
        image_BT, text_BT = targets.image.detach(), targets.text.detach()
        images, texts = alike(image_BT), alike(text_BT)
        image_B = info_nce(self.image(student.image), text_BT, SCALE, texts | (images & matched_B))
        text_B = info_nce(self.text(student.cls), image_BT, SCALE, images | (texts & matched_B))
        chosen_B = matched_B.to(image_B.dtype)
        return (chosen_B * (image_B + text_B) / 2).sum() / chosen_B.sum().clamp_min(1)
