"""Which examples pair a picture with a text that is true of it: what contrastive adaptation draws on."""

from __future__ import annotations

from dataclasses import dataclass

from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.snli_ve import CLASSES
from ablative.trainables.students.tokens import teacher_text

ENTAILED = CLASSES.index("entailment")
CONTRADICTED = CLASSES.index("contradiction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A picture and a text that belongs to it."""

    image: str
    text: str
    wrong: tuple[str, ...] = ()
    """Texts that the labels say are not true of this picture (hard negatives)."""


def matched_class(task: str) -> int | None:
    """Return the class whose examples are matched pairs; None where every example is one.

    SNLI-VE: entailed statements. VCR: the right candidate of each question. VQA: a question belongs to its picture
    whatever the answer, which is a weak bond.
    """
    return ENTAILED if task == "snli_ve" else None


def matched_pairs(split: TaskSplit) -> list[Pair]:
    """Return the matched pairs of a split in its order, with the wrong texts that its own labels name."""
    if split.task == "vcr":
        return [_right_candidate(example) for example in split.examples]
    if split.task == "vqa":
        return [Pair(image=e.image, text=teacher_text(e.candidates[0])) for e in split.examples]
    contradicted: dict[str, list[str]] = {}
    for example in split.examples:
        if _label(example) == CONTRADICTED:
            contradicted.setdefault(example.image, []).append(teacher_text(example.candidates[0]))
    return [
        Pair(image=e.image, text=teacher_text(e.candidates[0]), wrong=tuple(contradicted.get(e.image, ())))
        for e in split.examples
        if _label(e) == ENTAILED
    ]


def _label(example: Example) -> int:
    return max(example.targets, key=lambda target: target[1])[0]


def _right_candidate(example: Example) -> Pair:
    right, texts = _label(example), [teacher_text(candidate) for candidate in example.candidates]
    return Pair(image=example.image, text=texts[right], wrong=tuple(t for i, t in enumerate(texts) if i != right))
