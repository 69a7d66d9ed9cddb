"""CLIP-TD's own terms: they draw features of the student to features of the teacher, example by example.

Dimensions: B batch, N words or regions (padded), K selected of them at most, S student width, T teacher width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablative.trainables.distillation.learned_maps import projection
from ablative.trainables.parts.term import Term

if TYPE_CHECKING:
    from torch import Tensor

    from ablative.trainables.distillation.built import BuiltTerm
    from ablative.trainables.distillation.outputs import StudentOutputs
    from ablative.trainables.distillation.outputs import TeacherOutputs
    from ablative.trainables.distillation.selection import Selection


def image(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """Naive distillation, image side: d(P_v h_image, image embedding)."""
    return _distance(student.image, teacher.image, term)


def text(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """Naive distillation, text side: d(P_t h_cls, sentence embedding)."""
    return _distance(student.cls, teacher.text, term)


def tokens(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """Token-selective distillation: sum over the selected words of q_i d(P_w h_i, word feature i).

    0 for an example without words.
    """
    from ablative.trainables.distillation.selection import select

    selection = select(term.selection, teacher.prior, teacher.word_mask, term.generator)
    return _of_selected(selection, student.words, teacher.words, term)


def regions(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """Image-side tokens: sum over the selected regions of q_j d(P_r g_j, region feature j).

    0 for an example of whose regions the teacher sees none.
    """
    from ablative.trainables.distillation.selection import region_logits
    from ablative.trainables.distillation.selection import select

    mask_BR = teacher.region_mask
    logits_BR = region_logits(term.selection, teacher.regions, teacher.text, mask_BR)
    selection = select(term.selection, logits_BR, mask_BR, term.generator)
    return _of_selected(selection, student.regions, teacher.regions, term)


def _of_selected(selection: Selection, states_BNS: Tensor, features_BNT: Tensor, term: BuiltTerm) -> Tensor:
    """(B,) the weighted distances of what is selected."""
    if selection.most == selection.chosen_BN.shape[1]:
        return (selection.weights_BN * _distance(states_BNS, features_BNT, term)).sum(-1)
    # The others have zero weight, so their projections and distances are left out.
    places_BK = selection.chosen_BN.int().argsort(dim=-1, descending=True, stable=True)[:, : selection.most]
    states_BKS, features_BKT = (_at(places_BK, of) for of in (states_BNS, features_BNT))
    return (selection.weights_BN.gather(1, places_BK) * _distance(states_BKS, features_BKT, term)).sum(-1)


def _distance(states: Tensor, features: Tensor, term: BuiltTerm) -> Tensor:
    """(...) distances of the projected states (..., S) to the teacher's features (..., T)."""
    from ablative.trainables.distillation.distance import DISTANCES

    return DISTANCES[term.distance](term.module(states), features)


def _at(places_BK: Tensor, features_BNF: Tensor) -> Tensor:
    """(B, K, F): copies whole rows, where `gather` would copy number by number."""
    import torch

    starts_B = torch.arange(len(places_BK), device=places_BK.device) * features_BNF.shape[1]
    rows_R = (places_BK + starts_B.unsqueeze(-1)).flatten()
    return features_BNF.flatten(0, 1).index_select(0, rows_R).unflatten(0, places_BK.shape)


PARTS = [
    Term(
        name="image",
        description="Image embedding of the teacher (naive distillation).",
        alone=True,
        reads=("student.image", "teacher.image"),
        loss=image,
        trains=projection,
        shares=("distance", "projection"),
    ),
    Term(
        name="text",
        description="Sentence embedding of the teacher (naive distillation).",
        alone=True,
        reads=("student.cls", "teacher.text"),
        loss=text,
        trains=projection,
        shares=("distance", "projection"),
    ),
    Term(
        name="tokens",
        description="Per-word features of the teacher on selected tokens.",
        alone=True,
        reads=("student.words", "teacher.words", "teacher.prior", "teacher.word_mask"),
        loss=tokens,
        trains=projection,
        draws=True,
        shares=("distance", "selection", "projection"),
    ),
    Term(
        name="regions",
        description="Features of the teacher on the regions that are most relevant to the sentence.",
        alone=True,
        reads=("student.regions", "teacher.regions", "teacher.region_mask", "teacher.text"),
        loss=regions,
        trains=projection,
        draws=True,
        shares=("distance", "selection", "projection"),
    ),
]
