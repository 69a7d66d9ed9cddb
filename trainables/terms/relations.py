"""Terms that compare the relations between the examples of a batch, in the student and in the teacher.

Relations do not depend on the width, so nothing is projected or trained. The terms were published for one feature of
each model. A fused student and a dual-encoder teacher meet on two sides, which are averaged: the whole-image state
against the image embedding, and the first text position's state against the sentence embedding.

Dimensions: B batch, F any width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ablative.trainables.parts.term import Read
from ablative.trainables.parts.term import Term

if TYPE_CHECKING:
    from torch import Tensor

    from ablative.trainables.distillation.built import BuiltTerm
    from ablative.trainables.distillation.outputs import StudentOutputs
    from ablative.trainables.distillation.outputs import TeacherOutputs

LEAST_DISTANCE = 1e-6
"""A batch whose examples all coincide has no distances to compare."""
BOTH_SIDES: tuple[Read, ...] = ("student.cls", "student.image", "teacher.image", "teacher.text")


def rkd_distance(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """RKD-D (arXiv 1904.05068): mean over j of smooth_l1(d_S(i, j) / mu_S, d_T(i, j) / mu_T).

    d is the Euclidean distance, mu its mean over the pairs of different examples; the j include i, as in RepDistiller.
    Published weight 25. Row i is example i's share; 0 in a batch of one.
    """

    def differences(student_BF: Tensor, teacher_BF: Tensor) -> Tensor:
        return _huber(relative_distances(student_BF), relative_distances(teacher_BF)).mean(-1)

    return _both_sides(differences, student, teacher)


def rkd_angle(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """RKD-A (arXiv 1904.05068): mean over j, k of smooth_l1(cos of the angle j-i-k in S, in T).

    Published weight 50. The vertex i is the example whose share it is. Takes B x B x F numbers of memory.
    """

    def differences(student_BF: Tensor, teacher_BF: Tensor) -> Tensor:
        return _huber(angles(student_BF), angles(teacher_BF)).mean((-2, -1))

    return _both_sides(differences, student, teacher)


def similarity(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """Similarity preserving (arXiv 1907.09682): ||G_T - G_S||^2 / B^2, G = F F^T with rows at unit length.

    Row i of the difference, divided by B, is example i's share. Published weight 3000.
    """
    from ablative.trainables.distillation.distance import unit_length

    def differences(student_BF: Tensor, teacher_BF: Tensor) -> Tensor:
        difference_BB = unit_length(student_BF @ student_BF.T) - unit_length(teacher_BF @ teacher_BF.T)
        return difference_BB.square().mean(-1)

    return _both_sides(differences, student, teacher)


def relative_distances(features_BF: Tensor) -> Tensor:
    """Return (B, B) Euclidean distances divided by their mean over pairs of different examples."""
    from torch.linalg import vector_norm

    distances_BB = vector_norm(_differences(features_BF), dim=-1)
    B = len(features_BF)
    mean = distances_BB.sum() / max(1, B * (B - 1))
    return distances_BB / mean.clamp_min(LEAST_DISTANCE)


def angles(features_BF: Tensor) -> Tensor:
    """Return (B, B, B) cosines at vertex i between the directions to j and to k; 0 where j or k is i."""
    from ablative.trainables.distillation.distance import unit_length

    directions_BBF = unit_length(_differences(features_BF))
    return directions_BBF @ directions_BBF.transpose(-1, -2)


def _both_sides(
    differences: Callable[[Tensor, Tensor], Tensor], student: StudentOutputs, teacher: TeacherOutputs
) -> Tensor:
    """(B,) the mean over both sides of the differences in each example's relations to the others."""
    from ablative.trainables.distillation.distance import full_precision
    from ablative.trainables.distillation.distance import precise

    with full_precision(student.cls):
        image_B = differences(precise(student.image), precise(teacher.image))
        text_B = differences(precise(student.cls), precise(teacher.text))
    return (image_B + text_B) / 2


def _differences(features_BF: Tensor) -> Tensor:
    return features_BF.unsqueeze(0) - features_BF.unsqueeze(1)


def _huber(student: Tensor, teacher: Tensor) -> Tensor:
    from torch.nn import functional as F

    return F.smooth_l1_loss(student, teacher, reduction="none")


PARTS = [
    Term(
        name="rkd_distance",
        description="Distances between the examples of a batch (RKD).",
        reads=BOTH_SIDES,
        weight=25.0,
        loss=rkd_distance,
    ),
    Term(
        name="rkd_angle",
        description="Angles between the examples of a batch (RKD).",
        reads=BOTH_SIDES,
        weight=50.0,
        loss=rkd_angle,
    ),
    Term(
        name="similarity",
        description="Rows of similarities within a batch (similarity preserving).",
        reads=BOTH_SIDES,
        weight=3000.0,
        loss=similarity,
    ),
]
