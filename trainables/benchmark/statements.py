"""SNLI-VE hypotheses read from scene graphs.

The semantics: a hypothesis is true if the picture shows it, and false if the picture contradicts it. An unseen thing
*might be in the closed package* if there is one. So a hypothesis about an unseen thing is neutral beside a package,
and false without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.concepts import slice_of
from ablative.trainables.benchmark.concepts import with_article
from ablative.trainables.benchmark.mention import Mention
from ablative.trainables.benchmark.mention import absent
from ablative.trainables.benchmark.mention import category_counts
from ablative.trainables.benchmark.mention import present
from ablative.trainables.benchmark.mention import single_things
from ablative.trainables.benchmark.relations import OPPOSITE
from ablative.trainables.benchmark.relations import RELATIONS
from ablative.trainables.benchmark.relations import relation
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.select import Candidate
from ablative.trainables.benchmark.select import Cell
from ablative.trainables.benchmark.select import favour
from ablative.trainables.benchmark.select import select
from ablative.trainables.benchmark.spec import SPLITS
from ablative.trainables.benchmark.spec import WHOLE_SPLIT
from ablative.trainables.benchmark.spec import MiniSpec
from ablative.trainables.benchmark.spec import Part

LABELS = ("contradiction", "neutral", "entailment")
_NUMBER_WORDS = {2: "two", 3: "three"}

_TEMPLATES = {"is": 0.25, "is_no": 0.15, "count": 0.12, "only_one": 0.08, "relation": 0.25, "colour": 0.15}
"""Share of each template."""

# Shares of (label, package) within a template. Neutral needs a package. The effect of an unseen thing on a hypothesis
# (false, or true if it denies) only occurs without one. These shares keep both a reader of the text and a finder of
# packages far from the answer.
_POSITIVE = {
    ("entailment", "package"): 0.225,
    ("neutral", "package"): 0.275,
    ("entailment", "bare"): 0.225,
    ("contradiction", "bare"): 0.275,
}
_DENYING = {
    ("contradiction", "package"): 0.225,
    ("neutral", "package"): 0.275,
    ("contradiction", "bare"): 0.225,
    ("entailment", "bare"): 0.275,
}
_FREE = {
    ("entailment", "package"): 0.205,
    ("contradiction", "package"): 0.205,
    ("neutral", "package"): 0.34,
    ("entailment", "bare"): 0.125,
    ("contradiction", "bare"): 0.125,
}
_WITHIN = {
    "is": _POSITIVE,
    "is_no": _DENYING,
    "count": _POSITIVE,
    "only_one": _DENYING,
    "relation": _FREE,
    "colour": _FREE,
}
_TEST_SLICES = {"seen": 0.6, "heldout_known": 0.2, "heldout_unknown": 0.2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One hypothesis about one scene."""

    scene: int
    text: str
    label: str
    template: str
    slice: str


def statements(spec: MiniSpec, split: str, scenes: Sequence[Scene], part: Part = WHOLE_SPLIT) -> list[Statement]:
    """Return the hypotheses of a split, or a part of it, in the order of its `scenes` (those with things only)."""
    turned = split == "test_priors"
    rng = np.random.default_rng([spec.seed, SPLITS.index(split), part.number, 1])
    candidates = [
        Candidate(
            item=said,
            scene=said.scene,
            cell=(said.slice, said.template, said.label, "package" if shown.has_package else "bare"),
            weight=weight * _prior(said, spec.prior_skew, turned),
        )
        for shown in scenes
        for said, weight in _sayable(shown, np.random.default_rng([spec.seed, shown.number, 1]))
    ]
    return select(candidates, _shares(split), len(part.of(spec.sizes[split].statements)), rng)


def _shares(split: str) -> dict[Cell, float]:
    slices = _TEST_SLICES if split == "test" else {"seen": 1.0}
    shares: dict[Cell, float] = {}
    for name, slice_share in slices.items():
        templates = {key: value for key, value in _TEMPLATES.items() if _possible(key, split, name)}
        for template, template_share in templates.items():
            within = _turned_over(_WITHIN[template]) if split == "test_priors" else _WITHIN[template]
            for (label, package), share in within.items():
                whole = slice_share * template_share / sum(templates.values())
                shares[name, template, label, package] = whole * share
    return shares


def _possible(template: str, split: str, slice_name: str) -> bool:
    """Line drawings show no colours, and no held-out concept comes in colours."""
    return template != "colour" or (split != "test_style" and slice_name == "seen")


def _turned_over(within: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Return the shares inverted, so that frequent labels become rare: each label in inverse proportion to before."""
    labels = {label: sum(share for (other, _), share in within.items() if other == label) for label in LABELS}
    inverse = {(label, package): share / labels[label] ** 2 for (label, package), share in within.items()}
    return {cell: share / sum(inverse.values()) for cell, share in inverse.items()}


def _prior(said: Statement, skew: float, turned: bool) -> float:
    """Return the odds by which a text's favourite label is oversampled (undersampled if inverted)."""
    favourite = favour(said.text, LABELS) == said.label
    return (1 / skew if turned else skew) if favourite else 1.0


def _sayable(shown: Scene, rng: np.random.Generator) -> Iterator[tuple[Statement, float]]:
    """Yield hypotheses about one scene with relative weights, no text twice."""
    unseen = "neutral" if shown.has_package else "contradiction"
    denied = "neutral" if shown.has_package else "entailment"
    said: set[str] = set()
    for template, text, label, about, weight in (
        *_existence(shown, unseen, denied, rng),
        *_counts(shown, unseen, denied, rng),
        *_relations(shown, unseen, rng),
        *_colours(shown, unseen, rng),
    ):
        if text not in said:
            said.add(text)
            yield Statement(scene=shown.index, text=text, label=label, template=template, slice=about), weight


_Row = tuple[str, str, str, str, float]
"""(template, text, label, slice, weight)."""


def _existence(shown: Scene, unseen: str, denied: str, rng: np.random.Generator) -> Iterator[_Row]:
    for mention in (*present(shown), *absent(shown, rng)):
        yield "is", f"There is {with_article(mention.name)}.", _or(mention, "entailment", unseen), mention.slice, 1.0
        yield "is_no", f"There is no {mention.name}.", _or(mention, "contradiction", denied), mention.slice, 1.0
    for category, count in category_counts(shown).items():
        yield "is", f"There is {with_article(category)}.", "entailment" if count else unseen, "seen", 0.5
        yield "is_no", f"There is no {category}.", "contradiction" if count else denied, "seen", 0.5


def _or(mention: Mention, visible: str, hidden: str) -> str:
    return visible if mention.count else hidden


def _counts(shown: Scene, unseen: str, denied: str, rng: np.random.Generator) -> Iterator[_Row]:
    for mention in (*present(shown), *absent(shown, rng)):
        if mention.count in _NUMBER_WORDS:
            text = f"There are {_NUMBER_WORDS[mention.count]} {mention.plural}."
            yield "count", text, "entailment", mention.slice, 1.0
            yield "only_one", f"There is only one {mention.name}.", "contradiction", mention.slice, 1.0
        if mention.count + 1 in _NUMBER_WORDS:
            text = f"There are {_NUMBER_WORDS[mention.count + 1]} {mention.plural}."
            yield "count", text, unseen, mention.slice, 1.0
        if mention.count == 1:
            yield "only_one", f"There is only one {mention.name}.", denied, mention.slice, 1.0
        if mention.count == 0:
            yield "count", f"There are two {mention.plural}.", unseen, mention.slice, 0.3


def _relations(shown: Scene, unseen: str, rng: np.random.Generator) -> Iterator[_Row]:
    single = single_things(shown)
    for first in single:
        for second in single:
            side = relation(first.box, second.box) if first is not second else None
            if side:
                about = _both(first.concept.noun, second.concept.noun)
                start, end = f"The {first.concept.noun} is", f"the {second.concept.noun}."
                yield "relation", f"{start} {side} {end}", "entailment", about, 1.0
                yield "relation", f"{start} {OPPOSITE[side]} {end}", "contradiction", about, 1.0
        for mention in absent(shown, rng):
            side = RELATIONS[int(rng.integers(4))]
            pair = [first.concept.noun, mention.name]
            if rng.random() < 0.5:
                pair.reverse()
            text = f"The {pair[0]} is {side} the {pair[1]}."
            yield "relation", text, unseen, _both(*pair), 0.5


def _both(first: str, second: str) -> str:
    """Return the slice of a text that names two things."""
    return slice_of((first, second))


def _colours(shown: Scene, unseen: str, rng: np.random.Generator) -> Iterator[_Row]:
    if not shown.shows_colour:
        return
    families: dict[str, list[str]] = {}
    for concept in concepts():
        if concept.colour:
            families.setdefault(concept.noun, []).append(concept.colour)
    visible = {thing.concept.noun for thing in shown.visible}
    for thing in single_things(shown):
        for colour in families.get(thing.concept.noun, ()):
            label = "entailment" if colour == thing.concept.colour else "contradiction"
            yield "colour", f"The {thing.concept.noun} is {colour}.", label, "seen", 1.0
    for noun in sorted(set(families) - visible):
        colour = families[noun][int(rng.integers(len(families[noun])))]
        yield "colour", f"The {noun} is {colour}.", unseen, "seen", 0.3
