"""Rivals that match features of student and teacher, example by example.

Dimensions: B batch, N words (padded), S student width, T teacher width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablative.trainables.distillation.learned_maps import sides
from ablative.trainables.parts.term import Term

if TYPE_CHECKING:
    from torch import Tensor

    from ablative.trainables.distillation.built import BuiltTerm
    from ablative.trainables.distillation.outputs import StudentOutputs
    from ablative.trainables.distillation.outputs import TeacherOutputs


def hint(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """FitNets (arXiv 1412.6550): mean over coordinates of (P f_S - f_T)^2, image and text side averaged.

    The student's projection is not scaled, so its length is learned too. It differs from `image` and `text` in that,
    and in having no scaling by the width. It was published for a layer in the middle of two networks; the teacher's
    cache holds its last layer, at unit length. RepDistiller's weight is 100.
    """
    image_BT, text_BT = term.module(student)
    return (_squared_error(image_BT, teacher.image) + _squared_error(text_BT, teacher.text)) / 2


def clip_feature(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """CLIP-KD's FD (arXiv 2307.12732): MSE(unit image sides) + MSE(unit text sides), means over coordinates.

    Each is (2 - 2 cos) / T, which is why the published weight is 2000: `image` and `text` with the distance `mse` and
    the weight 2000 / T are the same objective.
    """
    from ablative.trainables.distillation.distance import unit_length

    image_BT, text_BT = map(unit_length, term.module(student))
    image_B = _squared_error(image_BT, unit_length(teacher.image))
    return image_B + _squared_error(text_BT, unit_length(teacher.text))


def attention(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """Attention transfer (arXiv 1612.03928): mean over places of (m_S / ||m_S|| - m_T / ||m_T||)^2.

    Published for spatial maps m = mean over channels of F^2, weight 1000 in RepDistiller. A *derived* form: the
    teacher cache has no patches, so the map is over words. The student's map is the energy of each word's state,
    mean_S(h_i^2). The teacher's word features all have unit length, so they have no energy of their own; its map is
    the energy of word i along the image embedding, cos(word i alone, v)^2. The term is 0 for an example without words.
    """
    from ablative.trainables.distillation.distance import precise

    mask_BN = teacher.word_mask
    student_BN = precise(student.words).square().mean(-1)
    difference_BN = _unit_map(student_BN, mask_BN) - _unit_map(teacher.visual.square(), mask_BN)
    return difference_BN.square().sum(-1) / mask_BN.sum(-1).clamp_min(1)


def _squared_error(student_BT: Tensor, teacher_BT: Tensor) -> Tensor:
    return (student_BT.to(teacher_BT.dtype) - teacher_BT).square().mean(-1)


def _unit_map(energy_BN: Tensor, mask_BN: Tensor) -> Tensor:
    from ablative.trainables.distillation.distance import unit_length

    return unit_length(energy_BN.where(mask_BN, 0.0))


PARTS = [
    Term(
        name="hint",
        description="Embeddings by regression, length included (FitNets).",
        reads=("student.cls", "student.image", "teacher.image", "teacher.text"),
        weight=100.0,
        loss=hint,
        trains=sides,
        shares=("projection",),
    ),
    Term(
        name="clip_feature",
        description="Unit embeddings by mean squared error (CLIP-KD FD).",
        reads=("student.cls", "student.image", "teacher.image", "teacher.text"),
        weight=2000.0,
        loss=clip_feature,
        trains=sides,
        shares=("projection",),
    ),
    Term(
        name="attention",
        description="Which words are looked at (attention transfer).",
        reads=("student.words", "teacher.visual", "teacher.word_mask"),
        weight=1000.0,
        loss=attention,
    ),
]
