"""The relevances by which words are selected: the table of `distillation.selection.score` (docs/method.md, "Tokens").

Imports no torch. Dimensions: B batch, N words (padded), W words of one text.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Literal
from typing import Protocol
from typing import TypeAlias

from ablative.trainables.distillation.choice import Choice
from ablative.trainables.distillation.choice import table

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ablative.trainables.distillation.relevance import Relevance


class Sentences(Protocol):
    """The questions about whole texts that a score may ask a teacher."""

    def changes_without(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return (W,) for each text: how far its embedding moves without each of its words."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Score(Choice):
    """A relevance of words."""

    relevance: Callable[[Relevance, float], Tensor] | None = None
    """(words of a batch, `selection.visual_share`) -> (B, N), standardised over the words of each example; None: no
    word is more relevant than another."""
    of_texts: Callable[[Sequence[str], Sentences], list[np.ndarray]] | None = None
    """(W,) for each text: the relevance known before training, `Relevance.known_BN`."""
    compares: tuple[Literal["image", "text"], ...] = ()
    """The teacher's embeddings with which it compares words, encoded alone."""
    leaves_out: bool = False
    """Whether it reads the teacher's embeddings of texts without one of their words."""
    mixes: bool = False
    """Whether it reads `selection.visual_share`."""
    every: bool = False
    """Whether all words are selected, so that nothing is drawn."""


def _visual(words: Relevance, share: float) -> Tensor:
    from ablative.trainables.distillation.relevance import standardise

    return standardise(words.visual_BN, words.mask_BN)


def _semantic(words: Relevance, share: float) -> Tensor:
    from ablative.trainables.distillation.relevance import standardise

    return standardise(words.semantic_BN, words.mask_BN)


def _mixed(words: Relevance, share: float) -> Tensor:
    return share * _visual(words, share) + (1 - share) * _semantic(words, share)


def _known(words: Relevance, share: float) -> Tensor:
    from ablative.trainables.distillation.relevance import standardise

    return standardise(words.known_BN, words.mask_BN)


def _left_out(texts: Sequence[str], teacher: Sentences) -> list[np.ndarray]:
    return teacher.changes_without(texts)


def _keyword(texts: Sequence[str], teacher: Sentences) -> list[np.ndarray]:
    from ablative.trainables.data.keywords import keyword_scores

    return keyword_scores(texts)


def _content(texts: Sequence[str], teacher: Sentences) -> list[np.ndarray]:
    from ablative.trainables.data.keywords import content_scores

    return content_scores(texts)


SCORES = table(
    Score(
        name="visual",
        description="cosine of the word with the image",
        relevance=_visual,
        compares=("image",),
    ),
    Score(
        name="semantic",
        description="cosine of the word with the sentence",
        relevance=_semantic,
        compares=("text",),
    ),
    Score(
        name="visual_semantic",
        description="both cosines, mixed by `visual_share`",
        relevance=_mixed,
        compares=("image", "text"),
        mixes=True,
    ),
    Score(
        name="leave_one_out",
        description="change of the sentence embedding without the word",
        relevance=_known,
        of_texts=_left_out,
        leaves_out=True,
    ),
    Score(name="keyword", description="TF-IDF over the training texts", relevance=_known, of_texts=_keyword),
    Score(name="content", description="content words before function words", relevance=_known, of_texts=_content),
    Score(name="random", description="words drawn at random in each step, all equally likely"),
    Score(name="all", description="every word", every=True),
)

if TYPE_CHECKING:
    ScoreName: TypeAlias = str
else:
    ScoreName = Literal[tuple(SCORES)]
