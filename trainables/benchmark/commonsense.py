"""VCR annotations read from scenes of people: a question about a person, four answers, four rationales.

Each person has one thing beside them. The right answer names that thing; the right rationale says on which side of it
the person is. As in VCR's own annotations, the right choice repeats the question's tag more often than the wrong ones.
This is the shortcut that `test_shortcuts` takes away (trainables/tasks/vcr_files/shortcuts.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablative.trainables.benchmark.concepts import slice_of
from ablative.trainables.benchmark.concepts import with_article
from ablative.trainables.benchmark.contents import any_concept
from ablative.trainables.benchmark.relations import RELATIONS
from ablative.trainables.benchmark.relations import Relation
from ablative.trainables.benchmark.relations import relation
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import Thing
from ablative.trainables.benchmark.select import Candidate
from ablative.trainables.benchmark.select import Cell
from ablative.trainables.benchmark.select import select
from ablative.trainables.benchmark.spec import SPLITS
from ablative.trainables.benchmark.spec import WHOLE_SPLIT
from ablative.trainables.benchmark.spec import MiniSpec
from ablative.trainables.benchmark.spec import Part

Token = str | list[int]
"""A word, or tags: 0-based positions in the scene's things."""
Tokens = list[Token]

_SINGULAR = (
    ("what does {} have ?", "{} has {a} ."),
    ("why is {} happy ?", "{} likes {the} ."),
    ("what is {} thinking about ?", "{} thinks of {the} ."),
    ("what will {} take home ?", "{} will take {the} ."),
)
_PLURAL = (("what do {} have ?", "{} have {a} ."), ("why are {} happy ?", "{} like {the} ."))
_KINDS = {"one": 0.85, "two": 0.15}
"""Share of questions about one person and about two."""
_TEST_SLICES = {"seen": 0.6, "heldout_known": 0.2, "heldout_unknown": 0.2}
_OTHER_TAG_SHARE = 0.3
"""Share of the wrong choices about one person that name another person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One VCR question about one scene."""

    scene: int
    question: Tokens
    answers: tuple[Tokens, Tokens, Tokens, Tokens]
    rationales: tuple[Tokens, Tokens, Tokens, Tokens]
    answer_label: int
    rationale_label: int
    likelihood: str
    slice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The people that a question is about, before the choices are worded."""

    scene: int
    people: tuple[int, ...]
    template: int
    slice: str


def vcr_annotations(spec: MiniSpec, split: str, scenes: Sequence[Scene], part: Part = WHOLE_SPLIT) -> list[Annotation]:
    """Return the annotations of a split, or a part of it, in the order of its `scenes` (those with people only)."""
    rng = np.random.default_rng([spec.seed, SPLITS.index(split), part.number, 3])
    candidates = [
        Candidate(item=asked, scene=asked.scene, cell=(asked.slice, "one" if len(asked.people) == 1 else "two"))
        for shown in scenes
        for asked in _askable(shown)
    ]
    by_index = {shown.index: shown for shown in scenes}
    chosen = select(candidates, _shares(split), len(part.of(spec.sizes[split].annotations)), rng)
    return [_worded(spec, by_index[asked.scene], asked, rng) for asked in chosen]


def _shares(split: str) -> dict[Cell, float]:
    slices = _TEST_SLICES if split == "test" else {"seen": 1.0}
    return {(name, kind): a * b for name, a in slices.items() for kind, b in _KINDS.items()}


def _askable(shown: Scene) -> Iterator[_Asked]:
    for person in shown.people:
        about = slice_of((_own(shown, person).concept.noun,))
        for template in range(len(_SINGULAR)):
            yield _Asked(scene=shown.index, people=(person,), template=template, slice=about)
    for first in shown.people:
        for second in shown.people:
            if first < second and relation(_own(shown, first).box, _own(shown, second).box):
                about = slice_of((_own(shown, first).concept.noun, _own(shown, second).concept.noun))
                for template in range(len(_PLURAL)):
                    yield _Asked(scene=shown.index, people=(first, second), template=template, slice=about)


def _own(shown: Scene, person: int) -> Thing:
    return next(thing for thing in shown.things if thing.owner == person)


def _worded(spec: MiniSpec, shown: Scene, asked: _Asked, rng: np.random.Generator) -> Annotation:
    question, sentence = (_SINGULAR if len(asked.people) == 1 else _PLURAL)[asked.template]
    subjects = _Subjects(spec=spec, shown=shown, people=asked.people)
    names = _things_named(spec, shown, asked.people, rng)
    answers = [
        _answer(sentence, subjects.draw(rng, right=place == 0, things=things), things)
        for place, things in enumerate(names)
    ]
    first, side, last = _place_of(shown, asked.people)
    sides = [side, *(other for other in RELATIONS if other != side)]
    rationales = [
        _rationale(subjects.draw(rng, right=place == 0, things=()), first, said, last, len(asked.people))
        for place, said in enumerate(sides)
    ]
    answer_order, rationale_order = rng.permutation(4), rng.permutation(4)
    return Annotation(
        scene=shown.index,
        question=_filled(question, list(asked.people)),
        answers=_ordered(answers, answer_order),
        rationales=_ordered(rationales, rationale_order),
        answer_label=int(np.flatnonzero(answer_order == 0)[0]),
        rationale_label=int(np.flatnonzero(rationale_order == 0)[0]),
        likelihood="likely" if rng.random() < 0.6 else "possible",
        slice=asked.slice,
    )


def _ordered(choices: list[Tokens], order: np.ndarray) -> tuple[Tokens, Tokens, Tokens, Tokens]:
    first, second, third, fourth = (choices[int(place)] for place in order)
    return first, second, third, fourth


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subjects:
    """Draws whom a choice is about: the question's people by tag, a pronoun, or (wrong choices only) somebody else."""

    spec: MiniSpec
    shown: Scene
    people: tuple[int, ...]

    def draw(self, rng: np.random.Generator, *, right: bool, things: tuple[str, ...]) -> Token:
        point = rng.random()
        if point < (self.spec.tag_share if right else self.spec.wrong_tag_share):
            return list(self.people)
        others = [
            person
            for person in self.shown.people
            if person not in self.people and _own(self.shown, person).concept.name not in things
        ]
        if not right and len(self.people) == 1 and others and point > 1 - _OTHER_TAG_SHARE:
            return [others[int(rng.integers(len(others)))]]
        return self._pronoun()

    def _pronoun(self) -> str:
        if len(self.people) > 1:
            return "they"
        gender = self.shown.things[self.people[0]].concept.gender
        assert gender is not None, "every person concept has a pronoun"
        return gender


def _things_named(
    spec: MiniSpec, shown: Scene, people: tuple[int, ...], rng: np.random.Generator
) -> list[tuple[str, ...]]:
    """Return the things that the four answers name, the right one first: no two alike."""
    right = tuple(_own(shown, person).concept.name for person in people)
    named = [right]
    others = [thing.concept.name for thing in shown.visible if thing.concept.name not in right]
    for wrong in rng.permutation(np.array(others, dtype=object))[:2]:
        named.append(_swapped(right, str(wrong), rng))
    while len(named) < 4:
        wrong = any_concept(spec, shown.split, rng).name
        shared = {thing.concept.name for thing in shown.visible} | {name for row in named for name in row}
        if wrong not in shared:
            named.append(_swapped(right, wrong, rng))
    return named


def _swapped(right: tuple[str, ...], wrong: str, rng: np.random.Generator) -> tuple[str, ...]:
    place = int(rng.integers(len(right)))
    return tuple(wrong if i == place else name for i, name in enumerate(right))


def _place_of(shown: Scene, people: tuple[int, ...]) -> tuple[str, Relation, str]:
    """Return (first, side, last): the person (one) or the first thing (two) is on that side of the last thing."""
    last = _own(shown, people[-1])
    first = shown.things[people[0]] if len(people) == 1 else _own(shown, people[0])
    side = relation(first.box, last.box) or _nearest_side(first, last)
    return first.concept.name, side, last.concept.name


def _nearest_side(first: Thing, last: Thing) -> Relation:
    """Return the side with free space between two boxes: pairs stand apart along one axis only."""
    if first.box[2] <= last.box[0]:
        return "left of"
    if last.box[2] <= first.box[0]:
        return "right of"
    return "above" if first.box[3] <= last.box[1] else "below"


def _rationale(subject: Token, first: str, side: str, last: str, num_people: int) -> Tokens:
    """Return `[0] is left of the cat .` or `[0, 2] have the dog left of the cat .`"""
    if num_people == 1:
        verb = "is"
        return [subject, verb, *f"{side} the {last} .".split()]
    return [subject, "have", *f"the {first} {side} the {last} .".split()]


def _answer(sentence: str, subject: Token, things: tuple[str, ...]) -> Tokens:
    a = " and ".join(with_article(name) for name in things)
    the = " and ".join(f"the {name}" for name in things)
    return _filled(sentence.replace("{a}", a).replace("{the}", the), subject)


def _filled(sentence: str, subject: Token) -> Tokens:
    return [subject if word == "{}" else word for word in sentence.split()]
