"""The one in-memory form of an example, whatever file it came from. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text whose parts may refer to image regions."""

    text: str
    """Lower case, single spaces; tags already replaced by neutral names (persons) or class names."""
    references: tuple[tuple[int, int, int], ...] = ()
    """(start, end, box): the characters [start, end) name box number `box` of the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One text input of the student: a query, and in VCR an answer or rationale after it."""

    query: Text
    response: Text | None = None
    response_segment: int = 2
    """Segment id of the response: 2 answer, 3 rationale (UNITER)."""


EMPTY = Candidate(query=Text(text=""))
"""The input when texts are blanked out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One question put to the student."""

    id: str
    image: str
    """Path of the image, relative to the task's image folder."""
    candidates: tuple[Candidate, ...]
    """One (SNLI-VE, VQA) or four (VCR)."""
    targets: tuple[tuple[int, float], ...]
    """Sparse soft target: (class or candidate index, score in [0, 1])."""
    stratum: str
    """Label, answer type or mode by which low-shot subsets are stratified."""
    group: str
    """Examples of one group stay together in a subset (VCR: the two modes of one annotation)."""
    slices: tuple[str, ...] = ()
    """Named parts of the split this example belongs to, e.g. ("heldout_known",)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSplit:
    """One split of one task."""

    task: Any
    """Its description, a `Task` (`ablative.trainables.parts.task`), which imports this module: so no import here."""
    split: str
    examples: Sequence[Example]
    image_folder: str
    """Absolute path."""
    boxes: dict[str, tuple[tuple[float, float, float, float], ...]]
    """image -> boxes (x1, y1, x2, y2) in pixels; reading features cuts an image without boxes into a grid."""
    classes: tuple[str, ...]
    """Names of the output classes; empty if the student chooses from candidates."""
    labelled: bool = True
    """Whether the examples have targets; those of a blind split, which a leaderboard scores, have none."""
