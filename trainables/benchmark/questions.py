"""VQA questions read from scene graphs, with ten annotators of whom some disagree."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablative.trainables.benchmark.annotators import Answer
from ablative.trainables.benchmark.annotators import ten_answers
from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.concepts import slice_of
from ablative.trainables.benchmark.concepts import with_article
from ablative.trainables.benchmark.mention import absent
from ablative.trainables.benchmark.mention import category_counts
from ablative.trainables.benchmark.mention import present
from ablative.trainables.benchmark.mention import single_things
from ablative.trainables.benchmark.relations import OPPOSITE
from ablative.trainables.benchmark.relations import RELATIONS
from ablative.trainables.benchmark.relations import leans
from ablative.trainables.benchmark.relations import relation
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import Thing
from ablative.trainables.benchmark.select import Candidate
from ablative.trainables.benchmark.select import Cell
from ablative.trainables.benchmark.select import odds
from ablative.trainables.benchmark.select import select
from ablative.trainables.benchmark.spec import SPLITS
from ablative.trainables.benchmark.spec import WHOLE_SPLIT
from ablative.trainables.benchmark.spec import MiniSpec
from ablative.trainables.benchmark.spec import Part

_TEMPLATES = {
    "is there a": 0.23,
    "is the": 0.12,
    "is there an": 0.04,
    "is the colour": 0.05,
    "how many": 0.17,
    "how many animals are": 0.05,
    "how many people are": 0.02,
    "what is": 0.07,
    "what animal is": 0.13,
    "what colour is the": 0.12,
}
"""Kinds of questions and their shares."""
ANSWER_TYPES = {"is": "yes/no", "how": "number", "what": "other"}

_YES_NO = {"yes": 0.55, "no": 0.45}
_COUNTS = {"0": 0.2, "1": 0.36, "2": 0.28, "3": 0.16}
_CATEGORY_COUNTS = {"0": 0.2, "1": 0.36, "2": 0.28, "3": 0.16}
_PEOPLE_COUNTS = {"2": 0.6, "3": 0.4}
_PRIORS: dict[str, dict[str, float]] = {
    "is there a": _YES_NO,
    "is the": _YES_NO,
    "is there an": _YES_NO,
    "is the colour": _YES_NO,
    "how many": _COUNTS,
    "how many animals are": _CATEGORY_COUNTS,
    "how many people are": _PEOPLE_COUNTS,
}
"""Answer priors of the closed question types; open ones have odds for each answer (`_OPEN_SKEW`)."""
_OPEN_SKEW = 2.0
_TEXT_SKEW = 1.3
"""Largest odds by which a text about one thing leans towards an answer."""
_TEST_SLICES = {"seen": 0.6, "heldout_known": 0.2, "heldout_unknown": 0.2}
_HELD_OUT_TEMPLATES = ("is there a", "is the", "how many")
"""Question types that can be answered for a concept that no training answer names."""
_COLOUR_TEMPLATES = ("is the colour", "what colour is the")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question about one scene."""

    scene: int
    text: str
    template: str
    answer: str
    slice: str

    @property
    def answer_type(self) -> str:
        """`yes/no`, `number` or `other`."""
        return ANSWER_TYPES[self.template.split()[0]]

    @property
    def question_type(self) -> str:
        """The first words, as VQA sorts its questions."""
        if self.template == "is the colour":
            return "is the"
        return self.template.replace("animal", "vehicle") if "vehicle" in self.text else self.template

    def answers(self, rng: np.random.Generator) -> list[Answer]:
        """Return the answers of ten annotators."""
        return ten_answers(self.answer, self.answer_type, rng)


def questions(spec: MiniSpec, split: str, scenes: Sequence[Scene], part: Part = WHOLE_SPLIT) -> list[Question]:
    """Return the questions of a split, or a part of it, in the order of its `scenes`."""
    turned = split == "test_priors"
    rng = np.random.default_rng([spec.seed, SPLITS.index(split), part.number, 2])
    candidates = [
        Candidate(
            item=asked,
            scene=asked.scene,
            cell=_cell(asked),
            weight=_prior(asked, turned),
        )
        for shown in scenes
        for asked in _askable(shown, np.random.default_rng([spec.seed, shown.number, 2]))
    ]
    return select(candidates, _shares(split), len(part.of(spec.sizes[split].questions)), rng)


def _cell(asked: Question) -> Cell:
    return asked.slice, asked.template, asked.answer if asked.template in _PRIORS else "open"


def _shares(split: str) -> dict[Cell, float]:
    slices = _TEST_SLICES if split == "test" else {"seen": 1.0}
    shares: dict[Cell, float] = {}
    for name, slice_share in slices.items():
        templates = {key: value for key, value in _TEMPLATES.items() if _possible(key, split, name)}
        for template, template_share in templates.items():
            for answer, share in _within(template, turned=split == "test_priors").items():
                whole = slice_share * template_share / sum(templates.values())
                shares[name, template, answer] = whole * share
    return shares


def _possible(template: str, split: str, slice_name: str) -> bool:
    if slice_name != "seen":
        return template in _HELD_OUT_TEMPLATES
    return split != "test_style" or template not in _COLOUR_TEMPLATES


def _within(template: str, *, turned: bool) -> dict[str, float]:
    """Return the shares of the answers of one question type; inverted, the frequent answers become rare."""
    priors = _PRIORS.get(template, {"open": 1.0})
    if not turned:
        return priors
    return dict(zip(sorted(priors, key=lambda a: -priors[a]), sorted(priors.values()), strict=True))


def _prior(asked: Question, turned: bool) -> float:
    value = odds(f"{asked.template}|{asked.answer}" if asked.template not in _PRIORS else asked.text, _OPEN_SKEW)
    if asked.template in ("is there a", "how many"):  # each thing leans towards yes or no, many or few
        value = odds(f"{asked.text}|{asked.answer}", _TEXT_SKEW)
    return 1 / value if turned else value


def _askable(shown: Scene, rng: np.random.Generator) -> Iterator[Question]:
    """Yield questions about one scene, no text twice."""
    asked: set[str] = set()
    for template, text, answer, about in (
        *_existence(shown, rng),
        *_categories(shown),
        *_relations(shown),
        *_sides(shown),
        *_colours(shown, rng),
    ):
        if text not in asked:
            asked.add(text)
            yield Question(scene=shown.index, text=text, template=template, answer=answer, slice=about)


_Row = tuple[str, str, str, str]
"""(template, text, answer, slice)."""


def _existence(shown: Scene, rng: np.random.Generator) -> Iterator[_Row]:
    for mention in (*present(shown), *absent(shown, rng)):
        answer = "yes" if mention.count else "no"
        yield "is there a", f"Is there {with_article(mention.name)}?", answer, mention.slice
        if mention.count <= 3:
            yield "how many", f"How many {mention.plural} are there?", str(mention.count), mention.slice
    if shown.kind == "people":
        yield "how many people are", "How many people are there?", str(len(shown.people)), "seen"


def _categories(shown: Scene) -> Iterator[_Row]:
    for category, count in category_counts(shown).items():
        yield "is there an", f"Is there {with_article(category)}?", "yes" if count else "no", "seen"
        yield "how many animals are", f"How many {category}s are there?", str(count), "seen"
        if count == 1:
            named = next(thing.concept.noun for thing in shown.visible if thing.concept.category == category)
            yield from _open("what animal is", f"What {category} is in the picture?", named, ())


def _open(template: str, text: str, answer: str, named: tuple[str, ...]) -> Iterator[_Row]:
    """Yield an open question unless its answer or a name in it is held out: no training answer names those."""
    if slice_of((answer, *named)) == "seen":
        yield template, text, answer, "seen"


def _relations(shown: Scene) -> Iterator[_Row]:
    single = single_things(shown) if shown.kind == "things" else []
    for first in single:
        for second in single:
            side = relation(first.box, second.box) if first is not second else None
            if side:
                about = slice_of((first.concept.noun, second.concept.noun))
                start, end = f"Is the {first.concept.noun}", f"the {second.concept.noun}?"
                yield "is the", f"{start} {side} {end}", "yes", about
                yield "is the", f"{start} {OPPOSITE[side]} {end}", "no", about


def _sides(shown: Scene) -> Iterator[_Row]:
    """Yield `what is left of the dog?` if exactly one thing can be meant."""
    if shown.kind == "people":
        return
    for anchor in single_things(shown):
        for side in RELATIONS:
            found = [thing for thing in shown.things if thing is not anchor and leans(thing.box, anchor.box, side)]
            if len(found) == 1 and relation(found[0].box, anchor.box) == side:
                text = f"What is {side} the {anchor.concept.noun}?"
                yield from _open("what is", text, found[0].concept.noun, (anchor.concept.noun,))


def _colours(shown: Scene, rng: np.random.Generator) -> Iterator[_Row]:
    for thing in single_things(shown) if shown.shows_colour else ():
        if thing.concept.colour:
            yield "what colour is the", f"What colour is the {thing.concept.noun}?", thing.concept.colour, "seen"
            for colour, answer in ((thing.concept.colour, "yes"), (_other_colour(thing, rng), "no")):
                yield "is the colour", f"Is the {thing.concept.noun} {colour}?", answer, "seen"


def _other_colour(thing: Thing, rng: np.random.Generator) -> str:
    others = [c.colour for c in concepts() if c.noun == thing.concept.noun and c.colour != thing.concept.colour]
    return str(others[int(rng.integers(len(others)))])
