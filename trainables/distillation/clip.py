"""Terms of distillation between dual encoders, in the form that a fused student allows.

Published for a student with an image and a text encoder, whose batch gives a matrix of image-text cosines. A fused
student's states have each seen both modalities, so a student image could find its own text by the trace the text has
left in it. Against the *teacher's* batch there is no such short cut: the student's image side x = P_v h_image is set
against the teacher's sentences, its text side y = P_t h_cls against the teacher's images. One term, `affinity`, keeps
the published student-student matrix, whose targets are soft. The student is projected into the teacher's space, so
cosines of both are scaled by the teacher's own scale s; published students learn theirs.

Dimensions: B batch, T teacher width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch import nn
from torch.nn import functional as F

from ablative.trainables.distillation.config import DistillationConfig
from ablative.trainables.distillation.contrast import alike
from ablative.trainables.distillation.contrast import info_nce
from ablative.trainables.distillation.distance import full_precision
from ablative.trainables.distillation.distance import unit_length
from ablative.trainables.distillation.labels import softened_divergence
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherTargets
from ablative.trainables.distillation.projection import Sides
from ablative.trainables.distillation.projection import initial_projection
from ablative.trainables.distillation.term import Term
from ablative.trainables.distillation.term import TermSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contrast(Term):
    @classmethod
    def projected(cls, config: DistillationConfig, sizes: TermSizes, generator: torch.Generator) -> nn.Module:
        """Return P_v and P_t."""
        return Sides(sizes.student_width, sizes.teacher_width, generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRelationalTerm(_Contrast):
    """CLIP-KD's CRD, contrastive *relational* distillation (arXiv 2307.12732), weight 1.

    1/2 [KL(softmax_j(s v_i.t_j / T) || softmax_j(s x_i.t_j / T))
       + KL(softmax_j(s t_i.v_j / T) || softmax_j(s y_i.v_j / T))], T 1.
    """

    name = "clip_relational"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) divergences in nats of row i of both matrices."""
        image_BT, text_BT = self.projection(student)
        v, t, s = targets.image_BT.detach(), targets.text_BT.detach(), targets.logit_scale
        temperature = self.config.clip_relational.temperature
        to_texts_B = softened_divergence(s * cosines(image_BT, t), s * cosines(v, t), temperature)
        to_images_B = softened_divergence(s * cosines(text_BT, v), s * cosines(t, v), temperature)
        return (to_texts_B + to_images_B) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipInteractiveTerm(_Contrast):
    """CLIP-KD's ICL, interactive contrast (arXiv 2307.12732): 1/2 [InfoNCE(x, t) + InfoNCE(y, v)], weight 1.

    The published code scales by a logit scale that is not exponentiated, about 2.66; here it is the teacher's. As in
    adaptation, another example with the same picture, or the same sentence, is no negative.
    """

    name = "clip_interactive"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) cross-entropies in nats of finding the own sentence and the own picture."""
        image_BT, text_BT = self.projection(student)
        v, t, s = targets.image_BT.detach(), targets.text_BT.detach(), targets.logit_scale
        with full_precision(v):
            same_BB = alike(v) | alike(t)
            return (info_nce(image_BT, t, s, same_BB) + info_nce(text_BT, v, s, same_BB)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinityTerm(_Contrast):
    """TinyCLIP's affinity mimicking (arXiv 2309.12314): alpha soft + (1 - alpha) hard, alpha 1 and weight 1.

    Cross-entropies of the rows of s x.y with softmax(s v.t) (soft) or with the own pair (hard), image to text and
    text to image averaged. In the published form this differs from CLIP-KD's relational term by the teacher's
    entropy alone, a constant; here the two part, as this one compares the student's two sides with each other. The
    hard part can be met by the trace that each side leaves in the other, so it is off by default.
    """

    name = "affinity"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) cross-entropies in nats of row i and column i."""
        student_BB = targets.logit_scale * cosines(*self.projection(student))
        teacher_BB = targets.logit_scale * cosines(targets.image_BT.detach(), targets.text_BT.detach())
        return (self._rows(student_BB, teacher_BB) + self._rows(student_BB.T, teacher_BB.T)) / 2

    def _rows(self, student_BB: Tensor, teacher_BB: Tensor) -> Tensor:
        alpha = self.config.affinity.soft_share
        own_BB = torch.eye(len(student_BB), dtype=student_BB.dtype, device=student_BB.device)
        wanted_BB = alpha * teacher_BB.softmax(-1) + (1 - alpha) * own_BB
        return F.cross_entropy(student_BB, wanted_BB, reduction="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class DimeTerm(Term):
    """DIME-FM (arXiv 2303.18232): 0.7 KL over the teacher's texts (T 1) + 0.3 KL over its images (T 3).

    KL(softmax_j(s v_i.t_j / T) || softmax_j(s x_i.t_j / T)), and the same with images v_j in place of texts t_j. The
    source has a third part, uni-modal distances, at weight 0. It distils an image encoder, and so does this: only
    the student's image side takes part.
    """

    name = "dime"

    @classmethod
    def projected(cls, config: DistillationConfig, sizes: TermSizes, generator: torch.Generator) -> nn.Module:
        """Return P_v."""
        return initial_projection(sizes.student_width, sizes.teacher_width, generator)

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) divergences in nats."""
        image_BT: Tensor = self.projection(student.h_image)
        v, t, s = targets.image_BT.detach(), targets.text_BT.detach(), targets.logit_scale
        options = self.config.dime
        texts_B = softened_divergence(s * cosines(image_BT, t), s * cosines(v, t), options.text_temperature)
        images_B = softened_divergence(s * cosines(image_BT, v), s * cosines(v, v), options.image_temperature)
        return options.text_share * texts_B + (1 - options.text_share) * images_B


def cosines(queries_BT: Tensor, keys_BT: Tensor) -> Tensor:
    """Return (B, B) cosines of every query with every key."""
    with full_precision(queries_BT):
        return unit_length(queries_BT) @ unit_length(keys_BT).T
