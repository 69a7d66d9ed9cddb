"""Examples that pair a picture with a text that is true for it: the input of contrastive adaptation."""

from __future__ import annotations

from dataclasses import dataclass

from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.students.tokens import teacher_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A picture and a text that belongs to it."""

    image: str
    text: str
    wrong: tuple[str, ...] = ()
    """Texts that the labels call false for this picture (hard negatives)."""


def texts_with_pictures(split: TaskSplit) -> list[Pair]:
    """Return every example as a pair: its text counts as its picture's whatever the label, which is a weak bond."""
    return [Pair(image=e.image, text=teacher_text(e.candidates[0])) for e in split.examples]


def right_candidates(split: TaskSplit) -> list[Pair]:
    """Return the right candidate of each example with its picture; the other candidates are wrong texts."""
    return [_right_candidate(example) for example in split.examples]


def label_of(example: Example) -> int:
    """Return the class or candidate with the highest target."""
    return max(example.targets, key=lambda target: target[1])[0]


def _right_candidate(example: Example) -> Pair:
    right, texts = label_of(example), [teacher_text(candidate) for candidate in example.candidates]
    return Pair(image=example.image, text=texts[right], wrong=tuple(t for i, t in enumerate(texts) if i != right))
