"""The table of terms; a term lives with its family."""

from __future__ import annotations

from ablative.trainables.distillation.clip import AffinityTerm
from ablative.trainables.distillation.clip import ClipInteractiveTerm
from ablative.trainables.distillation.clip import ClipRelationalTerm
from ablative.trainables.distillation.clip import DimeTerm
from ablative.trainables.distillation.labels import LogitsTerm
from ablative.trainables.distillation.labels import MixedLabelsTerm
from ablative.trainables.distillation.matching import AttentionTerm
from ablative.trainables.distillation.matching import ClipFeatureTerm
from ablative.trainables.distillation.matching import HintTerm
from ablative.trainables.distillation.matching import ImageTerm
from ablative.trainables.distillation.matching import TextTerm
from ablative.trainables.distillation.matching import TokensTerm
from ablative.trainables.distillation.memory import CrdTerm
from ablative.trainables.distillation.relations import RkdAngleTerm
from ablative.trainables.distillation.relations import RkdDistanceTerm
from ablative.trainables.distillation.relations import SimilarityTerm
from ablative.trainables.distillation.term import Term

TERMS: tuple[type[Term], ...] = (
    ImageTerm,
    TextTerm,
    TokensTerm,
    LogitsTerm,
    MixedLabelsTerm,
    HintTerm,
    ClipFeatureTerm,
    AttentionTerm,
    RkdDistanceTerm,
    RkdAngleTerm,
    SimilarityTerm,
    CrdTerm,
    ClipRelationalTerm,
    ClipInteractiveTerm,
    AffinityTerm,
    DimeTerm,
)
"""All terms, in the order of `distillation.terms`."""
