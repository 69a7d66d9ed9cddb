"""Terms that compare how the examples of a batch lie to each other, in the student and in the teacher.

Relations do not depend on the width, so nothing is projected or trained. Published for one feature of each model; a
fused student and a dual-encoder teacher meet on two sides, the whole-image state against the image embedding and the
first text position's state against the sentence embedding, which are averaged. Dimensions: B batch, F any width.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ablative.trainables.distillation.distance import full_precision
from ablative.trainables.distillation.distance import unit_length
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherTargets
from ablative.trainables.distillation.term import Term

LEAST_DISTANCE = 1e-6
"""A batch whose examples are all in one place has no distances to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Relation(Term):
    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) the mean of both sides; 0 in a batch of one."""
        with full_precision(student.h_cls):
            image_B = self.compared(_precise(student.h_image), _precise(targets.image_BT.detach()))
            text_B = self.compared(_precise(student.h_cls), _precise(targets.text_BT.detach()))
        return (image_B + text_B) / 2

    @abstractmethod
    def compared(self, student_BF: Tensor, teacher_BF: Tensor) -> Tensor:
        """Return (B,) the difference between the relations of each example to the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RkdDistanceTerm(_Relation):
    """RKD-D (arXiv 1904.05068): mean over j of smooth_l1(d_S(i, j) / mu_S, d_T(i, j) / mu_T).

    d is the Euclidean distance, mu its mean over the pairs of different examples; the j include i, as in RepDistiller.
    Published weight 25. Row i is example i's share.
    """

    name = "rkd_distance"

    def compared(self, student_BF: Tensor, teacher_BF: Tensor) -> Tensor:
        """Return (B,) means of Huber losses of distances."""
        return _huber(relative_distances(student_BF), relative_distances(teacher_BF)).mean(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RkdAngleTerm(_Relation):
    """RKD-A (arXiv 1904.05068): mean over j, k of smooth_l1(cos of the angle j-i-k in S, in T).

    Published weight 50. The vertex i is the example whose share it is. Takes B x B x F numbers of memory.
    """

    name = "rkd_angle"

    def compared(self, student_BF: Tensor, teacher_BF: Tensor) -> Tensor:
        """Return (B,) means of Huber losses of cosines."""
        return _huber(angles(student_BF), angles(teacher_BF)).mean((-2, -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityTerm(_Relation):
    """Similarity preserving (arXiv 1907.09682): ||G_T - G_S||^2 / B^2, G = F F^T with rows at unit length.

    Row i of the difference, divided by B, is example i's share. Published weight 3000.
    """

    name = "similarity"

    def compared(self, student_BF: Tensor, teacher_BF: Tensor) -> Tensor:
        """Return (B,) squared lengths of the rows' differences, divided by B."""
        difference_BB = unit_length(student_BF @ student_BF.T) - unit_length(teacher_BF @ teacher_BF.T)
        return difference_BB.square().mean(-1)


def relative_distances(features_BF: Tensor) -> Tensor:
    """Return (B, B) Euclidean distances divided by their mean over pairs of different examples."""
    distances_BB = torch.linalg.vector_norm(_differences(features_BF), dim=-1)
    B = len(features_BF)
    mean = distances_BB.sum() / max(1, B * (B - 1))
    return distances_BB / mean.clamp_min(LEAST_DISTANCE)


def angles(features_BF: Tensor) -> Tensor:
    """Return (B, B, B) cosines at vertex i between the directions to j and to k; 0 where j or k is i."""
    directions_BBF = unit_length(_differences(features_BF))
    return directions_BBF @ directions_BBF.transpose(-1, -2)


def _differences(features_BF: Tensor) -> Tensor:
    return features_BF.unsqueeze(0) - features_BF.unsqueeze(1)


def _huber(student: Tensor, teacher: Tensor) -> Tensor:
    return F.smooth_l1_loss(student, teacher, reduction="none")


def _precise(features: Tensor) -> Tensor:
    return features.to(torch.promote_types(features.dtype, torch.float32))
