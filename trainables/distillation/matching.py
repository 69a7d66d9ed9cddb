"""Terms that draw features of the student to features of the teacher, example by example.

Dimensions: B batch, N words (padded), S student width, T teacher width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch import nn

from ablative.trainables.distillation.config import DistillationConfig
from ablative.trainables.distillation.distance import DISTANCES
from ablative.trainables.distillation.distance import unit_length
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherTargets
from ablative.trainables.distillation.projection import Sides
from ablative.trainables.distillation.projection import initial_projection
from ablative.trainables.distillation.selection import select
from ablative.trainables.distillation.term import Term
from ablative.trainables.distillation.term import TermSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class _OneProjection(Term):
    @classmethod
    def projected(cls, config: DistillationConfig, sizes: TermSizes, generator: torch.Generator) -> nn.Module:
        """Return a linear map S -> T."""
        return initial_projection(sizes.student_width, sizes.teacher_width, generator)

    def distance_to(self, features: Tensor, states: Tensor) -> Tensor:
        """Return (...) distances of the projected states (..., S) to the teacher's features (..., T)."""
        return DISTANCES[self.config.distance](self.projection(states), features.detach())


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTerm(_OneProjection):
    """Naive distillation, image side: d(P_v h_image, image embedding)."""

    name = "image"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) distances."""
        return self.distance_to(targets.image_BT, student.h_image)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTerm(_OneProjection):
    """Naive distillation, text side: d(P_t h_cls, sentence embedding)."""

    name = "text"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) distances."""
        return self.distance_to(targets.text_BT, student.h_cls)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensTerm(_OneProjection):
    """Token-selective distillation: sum over the selected words of q_i d(P_w h_i, word feature i)."""

    name = "tokens"
    draws = True

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) weighted sums of distances; 0 for an example without words."""
        selection = select(self.config.selection, targets, self.generator)
        if selection.most == selection.chosen_BN.shape[1]:
            return (selection.weights_BN * self.distance_to(targets.words_BNT, student.h_words)).sum(-1)
        # The other words weigh nothing: their projections and distances are left out.
        places_BK = selection.chosen_BN.int().argsort(dim=-1, descending=True, stable=True)[:, : selection.most]
        words_BKT, states_BKS = (_at(places_BK, of) for of in (targets.words_BNT, student.h_words))
        return (selection.weights_BN.gather(1, places_BK) * self.distance_to(words_BKT, states_BKS)).sum(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _TwoSides(Term):
    @classmethod
    def projected(cls, config: DistillationConfig, sizes: TermSizes, generator: torch.Generator) -> nn.Module:
        """Return P_v and P_t."""
        return Sides(sizes.student_width, sizes.teacher_width, generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class HintTerm(_TwoSides):
    """FitNets (arXiv 1412.6550): mean over coordinates of (P f_S - f_T)^2, image and text side averaged.

    The student's projection is not scaled, so its length is learned too: that, and no scaling by the width, is what
    tells it from `image` and `text`. Published for a layer in the middle of two networks; what is cached of the
    teacher is its last layer, at unit length. RepDistiller's weight is 100.
    """

    name = "hint"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) squared errors."""
        image_BT, text_BT = self.projection(student)
        return (_squared_error(image_BT, targets.image_BT) + _squared_error(text_BT, targets.text_BT)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFeatureTerm(_TwoSides):
    """CLIP-KD's FD (arXiv 2307.12732): MSE(unit image sides) + MSE(unit text sides), means over coordinates.

    Each is (2 - 2 cos) / T, which is why the published weight is 2000: `image` and `text` with the distance `mse` and
    the weight 2000 / T are the same objective.
    """

    name = "clip_feature"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) squared errors."""
        image_BT, text_BT = map(unit_length, self.projection(student))
        image_B = _squared_error(image_BT, unit_length(targets.image_BT))
        return image_B + _squared_error(text_BT, unit_length(targets.text_BT))


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionTerm(Term):
    """Attention transfer (arXiv 1612.03928): mean over places of (m_S / ||m_S|| - m_T / ||m_T||)^2.

    Published for spatial maps m = mean over channels of F^2, weight 1000 in RepDistiller. A *derived* form: the
    teacher cache has no patches, so the map is over words. The student's is the energy of each word's state,
    mean_S(h_i^2); the teacher's, whose word features all have unit length and so no energy of their own, is the
    energy of word i along the image embedding, cos(word i alone, v)^2.
    """

    name = "attention"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) mean squared differences over the words; 0 for an example without words."""
        mask_BN = targets.word_mask_BN
        teacher_BN = targets.visual_BN.detach().square()
        states = student.h_words.to(torch.promote_types(student.h_words.dtype, torch.float32))
        student_BN = states.square().mean(-1)
        difference_BN = _unit_map(student_BN, mask_BN) - _unit_map(teacher_BN, mask_BN)
        return difference_BN.square().sum(-1) / mask_BN.sum(-1).clamp_min(1)


def _at(places_BK: Tensor, features_BNF: Tensor) -> Tensor:
    """(B, K, F): whole rows are copied, which `gather` does number by number."""
    starts_B = torch.arange(len(places_BK), device=places_BK.device) * features_BNF.shape[1]
    rows_R = (places_BK + starts_B.unsqueeze(-1)).flatten()
    return features_BNF.flatten(0, 1).index_select(0, rows_R).unflatten(0, places_BK.shape)


def _squared_error(student_BT: Tensor, teacher_BT: Tensor) -> Tensor:
    teacher_BT = teacher_BT.detach()
    return (student_BT.to(teacher_BT.dtype) - teacher_BT).square().mean(-1)


def _unit_map(energy_BN: Tensor, mask_BN: Tensor) -> Tensor:
    return unit_length(torch.where(mask_BN, energy_BN, 0.0))
