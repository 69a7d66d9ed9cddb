"""Terms of distillation between dual encoders, in the form that a fused student allows.

Published for a student with an image and a text encoder, whose batch gives a matrix of image-text cosines. A fused
student's states have each seen both modalities, so a student image could find its own text by the trace the text has
left in it. Against the *teacher's* batch this short cut does not exist: the student's image side x = P_v h_image meets
the teacher's sentences, its text side y = P_t h_cls the teacher's images. One term, `affinity`, keeps the published
student-student matrix, whose targets are soft. The student is projected into the teacher's space, so cosines of both
are scaled by the teacher's own scale s; published students learn theirs.

Dimensions: B batch, T teacher width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ablative.trainables.distillation.learned_maps import projection
from ablative.trainables.distillation.learned_maps import sides
from ablative.trainables.parts.part import Options
from ablative.trainables.parts.term import Read
from ablative.trainables.parts.term import Term
from ablative.trainables.settings import Temperature

if TYPE_CHECKING:
    from torch import Tensor

    from ablative.trainables.distillation.built import BuiltTerm
    from ablative.trainables.distillation.outputs import StudentOutputs
    from ablative.trainables.distillation.outputs import TeacherOutputs

OF_TEACHER: tuple[Read, ...] = ("teacher.image", "teacher.text", "teacher.scale")
BOTH_SIDES: tuple[Read, ...] = ("student.cls", "student.image", *OF_TEACHER)


class ClipRelationalOptions(Options):
    """Options of `clip_relational`."""

    temperature: Temperature = Field(1.0, description="T that divides the scaled cosines in `clip_relational`.")


def clip_relational(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """CLIP-KD's CRD, contrastive *relational* distillation (arXiv 2307.12732), weight 1, in nats.

    1/2 [KL(softmax_j(s v_i.t_j / T) || softmax_j(s x_i.t_j / T))
       + KL(softmax_j(s t_i.v_j / T) || softmax_j(s y_i.v_j / T))], T 1.
    """
    image_BT, text_BT = term.module(student)
    v, t, temperature = teacher.image, teacher.text, term.options.temperature
    to_texts_B = _divergence(image_BT, v, t, teacher.scale, temperature)
    return (to_texts_B + _divergence(text_BT, t, v, teacher.scale, temperature)) / 2


def clip_interactive(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """CLIP-KD's ICL, interactive contrast (arXiv 2307.12732): 1/2 [InfoNCE(x, t) + InfoNCE(y, v)], weight 1, in nats.

    The published code scales by a logit scale that is not exponentiated, about 2.66; here it is the teacher's. As in
    adaptation, another example with the same picture or the same sentence is not a negative.
    """
    from ablative.trainables.distillation.contrast import alike
    from ablative.trainables.distillation.contrast import info_nce
    from ablative.trainables.distillation.distance import full_precision

    image_BT, text_BT = term.module(student)
    v, t, s = teacher.image, teacher.text, teacher.scale
    with full_precision(v):
        same_BB = alike(v) | alike(t)
        return (info_nce(image_BT, t, s, same_BB) + info_nce(text_BT, v, s, same_BB)) / 2


class AffinityOptions(Options):
    """Options of `affinity`."""

    soft_share: float = Field(1.0, ge=0, le=1, description="alpha, share of the teacher's affinities in `affinity`.")


def affinity(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """TinyCLIP's affinity mimicking (arXiv 2309.12314): alpha soft + (1 - alpha) hard, alpha 1 and weight 1, in nats.

    Cross-entropies of the rows of s x.y with softmax(s v.t) (soft) or with the own pair (hard), image to text and text
    to image averaged: example i has row i and column i. As published, it differs from CLIP-KD's relational term only
    by the teacher's entropy, a constant. Here they differ, because this term compares the student's two sides with
    each other. The trace that each side leaves in the other can satisfy the hard part, so it is off by default.
    """
    student_BB = teacher.scale * cosines(*term.module(student))
    teacher_BB = teacher.scale * cosines(teacher.image, teacher.text)
    alpha = term.options.soft_share
    return (_rows(student_BB, teacher_BB, alpha) + _rows(student_BB.T, teacher_BB.T, alpha)) / 2


class DimeOptions(Options):
    """Options of `dime`."""

    text_share: float = Field(0.7, ge=0, le=1, description="Share of the teacher's texts, against its images.")
    text_temperature: Temperature = Field(1.0, description="T of the image-text distributions in `dime`.")
    image_temperature: Temperature = Field(3.0, description="T of the image-image distributions in `dime`.")


def dime(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """DIME-FM (arXiv 2303.18232): 0.7 KL over the teacher's texts (T 1) + 0.3 KL over its images (T 3), in nats.

    KL(softmax_j(s v_i.t_j / T)

    softmax_j(s x_i.t_j / T)), and the same with images v_j in place of texts t_j. The source has a third part,
    uni-modal distances, at weight 0. It distils an image encoder; likewise, only the student's image side takes part
    here.
    """
    image_BT: Tensor = term.module(student.image)
    v, t, options = teacher.image, teacher.text, term.options
    texts_B = _divergence(image_BT, v, t, teacher.scale, options.text_temperature)
    images_B = _divergence(image_BT, v, v, teacher.scale, options.image_temperature)
    return options.text_share * texts_B + (1 - options.text_share) * images_B


def cosines(queries_BT: Tensor, keys_BT: Tensor) -> Tensor:
    """Return (B, B) cosines of every query with every key."""
    from ablative.trainables.distillation.distance import full_precision
    from ablative.trainables.distillation.distance import unit_length

    with full_precision(queries_BT):
        return unit_length(queries_BT) @ unit_length(keys_BT).T


def _divergence(student_BT: Tensor, teacher_BT: Tensor, keys_BT: Tensor, scale: float, temperature: float) -> Tensor:
    """(B,) divergence between the student side's softmax over the keys and the teacher side's own."""
    from ablative.trainables.distillation.divergence import softened_divergence

    found_BB, wanted_BB = (scale * cosines(queries_BT, keys_BT) for queries_BT in (student_BT, teacher_BT))
    return softened_divergence(found_BB, wanted_BB, temperature)


def _rows(student_BB: Tensor, teacher_BB: Tensor, alpha: float) -> Tensor:
    import torch
    from torch.nn import functional as F

    own_BB = torch.eye(len(student_BB), dtype=student_BB.dtype, device=student_BB.device)
    wanted_BB = alpha * teacher_BB.softmax(-1) + (1 - alpha) * own_BB
    return F.cross_entropy(student_BB, wanted_BB, reduction="none")


PARTS = [
    Term(
        name="clip_relational",
        description="In-batch image-text distributions (CLIP-KD CRD).",
        options=ClipRelationalOptions,
        reads=BOTH_SIDES,
        loss=clip_relational,
        trains=sides,
        shares=("projection",),
    ),
    Term(
        name="clip_interactive",
        description="InfoNCE against the teacher's batch (CLIP-KD ICL).",
        reads=BOTH_SIDES,
        loss=clip_interactive,
        trains=sides,
        shares=("projection",),
    ),
    Term(
        name="affinity",
        description="Affinities of the student's own two sides (TinyCLIP).",
        options=AffinityOptions,
        reads=BOTH_SIDES,
        loss=affinity,
        trains=sides,
        shares=("projection",),
    ),
    Term(
        name="dime",
        description="Image against the teacher's texts and images (DIME-FM).",
        options=DimeOptions,
        reads=("student.image", *OF_TEACHER),
        loss=dime,
        trains=projection,
        shares=("projection",),
    ),
]
