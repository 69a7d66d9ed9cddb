"""The distillation part of a trial's configuration, made from the known terms. Imports no torch.

A term's options are in a group of its name; they have no effect if its weight is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import ClassVar
from typing import Literal
from typing import TypeAlias

from pydantic import Field
from pydantic import create_model

from ablative.trainables.distillation.scores import SCORES
from ablative.trainables.distillation.scores import Score
from ablative.trainables.distillation.settings import AdaptationConfig
from ablative.trainables.distillation.settings import SelectionConfig
from ablative.trainables.distillation.settings import WeightingConfig
from ablative.trainables.parts.catalogue import shipped
from ablative.trainables.parts.groups import option_groups
from ablative.trainables.parts.term import Read
from ablative.trainables.parts.term import Term
from ablative.trainables.settings import Settings
from ablative.trainables.settings import Weight


class Weights(Settings):
    """Weight of each distillation term in the objective; 0 switches a term off."""


class Distillation(Settings):
    """The distillation part of the objective."""

    parts: ClassVar[Mapping[str, Term]] = MappingProxyType({})
    """Every term by name, in the order of `terms`."""
    terms: Weights = Weights()
    distance: Literal["l1", "smooth_l1", "mse", "cosine"] = Field(
        "cosine", description="Distance between projected student features and teacher features, both unit length."
    )
    projection: Literal["separate", "shared"] = Field(
        "separate",
        description="Map from the student's states to the teacher's space: one for each term and side, or one.",
    )
    candidates: Literal["right", "all"] = Field(
        "right", description="Which sequences of a question with candidates (VCR) are distilled."
    )
    selection: SelectionConfig = SelectionConfig()
    weighting: WeightingConfig = WeightingConfig()
    adaptation: AdaptationConfig = AdaptationConfig()

    def terms_on(self) -> tuple[Term, ...]:
        """Return the terms whose weight is above 0."""
        weights = vars(self.terms)
        return tuple(part for name, part in self.parts.items() if weights[name] > 0)

    @property
    def has_terms(self) -> bool:
        """Whether any term is on."""
        return any(vars(self.terms).values())

    @property
    def distils(self) -> bool:
        """Whether any part of the objective needs a teacher."""
        return self.has_terms or self.weighting.weighs_task

    @property
    def reads(self) -> frozenset[Read]:
        """The tensors of student and teacher that active terms read."""
        return read_by(self.terms_on())

    @property
    def score(self) -> Score | None:
        """The relevance by which words are selected; None if no term reads the prior made from it."""
        return SCORES[self.selection.score] if "teacher.prior" in self.reads else None

    @property
    def reads_words(self) -> bool:
        """Whether any term reads features of single words."""
        return not self.reads.isdisjoint(("teacher.words", "teacher.prior", "teacher.visual", "teacher.word_mask"))

    @property
    def reads_cosines(self) -> bool:
        """Whether anything needs the cosines of words encoded alone with image or sentence."""
        return "teacher.visual" in self.reads or (self.score is not None and self.score.compares != ())

    @property
    def reads_probabilities(self) -> bool:
        """Whether any term reads the teacher's class probabilities."""
        return "teacher.probabilities" in self.reads


@cache
def read_by(terms: tuple[Term, ...]) -> frozenset[Read]:
    """Return the tensors of student and teacher that at least one of these terms reads."""
    return frozenset(read for part in terms for read in part.reads)


if TYPE_CHECKING:
    TermWeights: TypeAlias = Weights
    DistillationConfig: TypeAlias = Distillation
else:
    _SHIPPED = {part.name: part for part in shipped("term")}
    TermWeights = create_model(
        "TermWeights",
        __base__=Weights,
        __module__=__name__,
        __doc__=Weights.__doc__,
        **{name: (Weight, Field(0.0, description=part.description)) for name, part in _SHIPPED.items()},
    )
    DistillationConfig = create_model(
        "DistillationConfig",
        __base__=Distillation,
        __module__=__name__,
        __doc__=Distillation.__doc__,
        terms=(TermWeights, TermWeights()),
        **option_groups(_SHIPPED.values()),
    )
    DistillationConfig.parts = MappingProxyType(_SHIPPED)
