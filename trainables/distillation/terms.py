"""The terms of the distillation objective: what of the student is drawn to what of the teacher.

Dimensions: B batch, N words (padded), S student width, T teacher width. Each term owns its projection from student
width to teacher width, which exists in training only; teacher features never receive a gradient.
"""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch import nn

from trainables.config import DistillationConfig
from trainables.config import SelectionConfig
from trainables.distillation.distance import DISTANCES
from trainables.distillation.distance import Distance
from trainables.distillation.outputs import StudentOutputs
from trainables.distillation.outputs import TeacherTargets
from trainables.distillation.selection import select


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(ABC):
    """One weighted part of the objective."""

    name: ClassVar[str]
    """Field of `distillation.terms` that holds the weight."""
    weight: float
    distance: Distance
    projection: nn.Linear

    @classmethod
    def build(cls, config: DistillationConfig, projection: nn.Linear, generator: torch.Generator) -> Term:
        """Return the term as the configuration wants it; `generator` is kept by a term that draws."""
        return cls(weight=getattr(config.terms, cls.name), distance=DISTANCES[config.distance], projection=projection)

    @abstractmethod
    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) the unweighted term of each example."""

    def distance_to(self, features: Tensor, states: Tensor) -> Tensor:
        """Return (...) distances of the projected states (..., S) to the teacher's features (..., T)."""
        return self.distance(self.projection(states), features.detach())


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTerm(Term):
    """Naive distillation, image side: d(P_v h_image, image embedding)."""

    name = "image"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) distances."""
        return self.distance_to(targets.image_BT, student.h_image)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTerm(Term):
    """Naive distillation, text side: d(P_t h_cls, sentence embedding)."""

    name = "text"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) distances."""
        return self.distance_to(targets.text_BT, student.h_cls)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensTerm(Term):
    """Token-selective distillation: sum over the selected words of q_i d(P_w h_i, word feature i)."""

    name = "tokens"
    selection: SelectionConfig
    generator: torch.Generator

    @classmethod
    def build(cls, config: DistillationConfig, projection: nn.Linear, generator: torch.Generator) -> Term:
        """Return the term with its selection, whose draws come from `generator`."""
        return cls(
            weight=config.terms.tokens,
            distance=DISTANCES[config.distance],
            projection=projection,
            selection=config.selection,
            generator=generator,
        )

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) weighted sums of distances; 0 for an example without words."""
        shares_BN = select(self.selection, targets, self.generator).weights_BN
        return (shares_BN * self.distance_to(targets.words_BNT, student.h_words)).sum(-1)


TERMS: tuple[type[Term], ...] = (ImageTerm, TextTerm, TokensTerm)
"""All terms, in the order of `distillation.terms`."""
