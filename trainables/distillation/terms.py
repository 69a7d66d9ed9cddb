"""The table of terms; a term lives with its family."""

from __future__ import annotations

from trainables.distillation.clip import AffinityTerm
from trainables.distillation.clip import ClipInteractiveTerm
from trainables.distillation.clip import ClipRelationalTerm
from trainables.distillation.clip import DimeTerm
from trainables.distillation.labels import LogitsTerm
from trainables.distillation.labels import MixedLabelsTerm
from trainables.distillation.matching import AttentionTerm
from trainables.distillation.matching import ClipFeatureTerm
from trainables.distillation.matching import HintTerm
from trainables.distillation.matching import ImageTerm
from trainables.distillation.matching import TextTerm
from trainables.distillation.matching import TokensTerm
from trainables.distillation.memory import CrdTerm
from trainables.distillation.relations import RkdAngleTerm
from trainables.distillation.relations import RkdDistanceTerm
from trainables.distillation.relations import SimilarityTerm
from trainables.distillation.term import Term

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
