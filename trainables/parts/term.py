"""What a distillation term is: the distance of a student from its teacher on each example. Imports no torch.

Dimensions: B batch, N words (padded), R regions (padded), S student width, T teacher width, K classes or candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import Literal
from typing import get_args

from ablative.trainables.parts.part import Kind
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.part import PartError
from ablative.trainables.settings import GREATEST_WEIGHT

if TYPE_CHECKING:
    import torch

Read = Literal[
    "student.cls",  # (B, S) state that stands for the whole input
    "student.image",  # (B, S) state of the whole image
    "student.words",  # (B, N, S) states of the words
    "student.regions",  # (B, R, S) states of the regions, without the whole image
    "student.logits",  # (B, K) log-odds of each class or candidate
    "student.truth",  # (B, K) targets in [0, 1]
    "teacher.image",  # (B, T) unit image embedding
    "teacher.text",  # (B, T) unit sentence embedding
    "teacher.scale",  # factor of the teacher's cosines in its own contrastive softmax
    "teacher.words",  # (B, N, T) targets of the student's words
    "teacher.prior",  # (B, N) logits of the prior by which words are selected
    "teacher.visual",  # (B, N) cosine of each word, encoded alone, with the image
    "teacher.word_mask",  # (B, N) bool, true at words
    "teacher.regions",  # (B, R, T) features of the student's regions
    "teacher.region_mask",  # (B, R) bool, true at regions that the teacher sees
    "teacher.probabilities",  # (B, K) of the classes or candidates
    "teacher.confidence",  # (B,) probability of the ground truth
    "teacher.index",  # (B,) positions of the examples in the training subset
]
READS: tuple[Read, ...] = get_args(Read)
Shared = Literal["distance", "selection", "projection"]
"""Settings of `distillation` that several terms read; they have an effect if such a term is on."""
SHARED: tuple[Shared, ...] = get_args(Shared)
CURVES = ("loss", "task", "adversarial", "gradient_ratio", "gradient_cosine")
"""Names of the curves that training reports beside the mean of each term."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermSizes:
    """The sizes on which a term's parameters depend."""

    student_width: int
    teacher_width: int
    num_examples: int
    """Of the training subset."""
    shared: torch.nn.Module | None = None
    """The map S -> T of all terms that share `projection`; None if each term has its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Term(Part):
    """One weighted part of the objective; `distillation.terms.<name>` is its weight.

    A term over a batch (relations, contrasts) gives each example the loss of its row. Then the mean over examples is
    the batch's value, and confidence weights apply.
    """

    kind: ClassVar[Kind] = "term"
    loss: Callable[[Any, Any, Any], torch.Tensor]
    """(student, teacher, term) -> (B,) the unweighted loss of each example. `student` and `teacher` have what `reads`
    names as attributes (`student.cls`, `teacher.image`); `term` has `options`, `module` (what it trains), `generator`
    (for draws) and the settings that it shares."""
    reads: tuple[Read, ...]
    """The tensors of student and teacher that it reads. It gets no others, and preparation computes these."""
    weight: float = 1.0
    """Its published weight, or a sensible one, as a suggestion: a term is off unless a study gives it a weight."""
    trains: Callable[[TermSizes, Any, torch.Generator], torch.nn.Module] | None = None
    """(sizes, options, generator) -> the module that is trained with the student and dropped afterwards."""
    draws: bool = False
    """Whether it draws from its generator during training, so that a checkpoint keeps the generator's state."""
    alone: bool = False
    """Whether an example's loss depends on nothing but that example, so that workers may share a batch in any way."""
    shares: tuple[Shared, ...] = ()
    """Settings of `distillation` that it reads besides its own options."""

    def __post_init__(self) -> None:
        """Raise PartError for a term that no objective can use."""
        Part.__post_init__(self)
        if (found := _unusable(self)) is not None:
            raise PartError(f"{self.defined_at}: term {self.name}: {found}")


def _unusable(term: Any) -> str | None:
    """Return what is wrong with a term, or None. A user wrote it, so its fields may have any type."""
    if term.name in CURVES:
        return "training already has a curve of this name; give the term another one"
    if not callable(term.loss) or not (term.trains is None or callable(term.trains)):
        return "loss and trains are functions; trains may be left out"
    if isinstance(term.reads, str) or isinstance(term.shares, str):
        return f"reads and shares are tuples of names; found {term.reads!r} and {term.shares!r}"
    for names, known, field in ((term.reads, READS, "reads"), (term.shares, SHARED, "shares")):
        for name in names:
            if name not in known:
                return f"{field} {name!r}; wanted some of {', '.join(known)}"
    for side, so in (("teacher", "it distils nothing"), ("student", "nothing learns from it")):
        if not any(read.startswith(f"{side}.") for read in term.reads):
            return f"reads nothing from a {side}, so {so}"
    if not 0 < term.weight <= GREATEST_WEIGHT:
        return f"weight is {term.weight!r}; wanted a number above 0, at most {GREATEST_WEIGHT:g}"
    return None
