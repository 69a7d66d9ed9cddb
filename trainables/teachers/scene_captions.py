"""The pictures that `mini_scene_encoder` is aligned on, with true and false captions.

The scenes are its own: they have a seed of their own, and contents that no scene of a benchmark split may hold. They
come in colour, and as line drawings on backgrounds of any pattern in any light colours. No caption is worded like a
statement, question or answer of the benchmark. Concepts that no teacher may know are neither drawn nor named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import numpy as np

from ablative.trainables.benchmark.concepts import PACKAGE
from ablative.trainables.benchmark.concepts import Concept
from ablative.trainables.benchmark.concepts import by_name
from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.concepts import persons
from ablative.trainables.benchmark.concepts import plural_of
from ablative.trainables.benchmark.concepts import with_article
from ablative.trainables.benchmark.contents import Contents
from ablative.trainables.benchmark.layout import place_people
from ablative.trainables.benchmark.layout import place_things
from ablative.trainables.benchmark.mention import COUNTED_CATEGORIES
from ablative.trainables.benchmark.relations import RELATIONS
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import Thing
from ablative.trainables.data.tokens import NEUTRAL_NAMES
from ablative.trainables.teachers.alignment_pictures import PICTURE_PX
from ablative.trainables.teachers.alignment_pictures import any_light_background
from ablative.trainables.teachers.scene_facts import NUMBERS
from ablative.trainables.teachers.scene_facts import SOMEBODY
from ablative.trainables.teachers.scene_facts import Claim
from ablative.trainables.teachers.scene_facts import Facts
from ablative.trainables.teachers.scene_facts import Kind

_T = TypeVar("_T")

SEED = 15_485_863
"""Root seed of all scenes and captions; no split of the benchmark and no other teacher uses it."""
_APART = "pretrain"
"""Contents with this share occur in no split of a benchmark."""
_PEOPLE_SHARE = 0.3
_PACKAGE_SHARE = 0.5
_AGAIN_SHARE = 0.35
_NUM_ABSENT = 4

_SHARES: dict[Kind, float] = {
    "there": 0.18,
    "absent": 0.12,
    "count": 0.14,
    "only": 0.08,
    "side": 0.36,
    "colour": 0.08,
    "with": 0.16,
}
"""Weight of each kind of caption among those that a scene allows."""

_WORDINGS: dict[Kind, tuple[str, ...]] = {
    "there": (
        "{a}",
        "a picture of {a}",
        "{a} can be seen",
        "the picture shows {a}",
        "there is {a} in the picture",
        "is {a} in the picture",
        "can you see {a}",
    ),
    "absent": (
        "no {name}",
        "no {name} can be seen",
        "the picture shows no {name}",
        "there is no {name} in the picture",
        "a picture without {a}",
    ),
    "count": (
        "{number} {names}",
        "a picture of {number} {names}",
        "{number} {names} can be seen",
        "the picture shows {number} {names}",
        "there are {number} {names} in the picture",
        "can you see {number} {names}",
    ),
    "only": (
        "just one {name}",
        "a picture of one {name} only",
        "only one {name} can be seen",
        "the picture shows only one {name}",
        "there is only one {name} in the picture",
    ),
    "side": (
        "{a} {side} {b}",
        "the {name} {side} the {other}",
        "the {name} can be seen {side} the {other}",
        "the picture shows the {name} {side} the {other}",
        "the {name} is somewhere {side} the {other}",
        "is the {name} somewhere {side} the {other}",
    ),
    "colour": (
        "the {name} that is {colour}",
        "the {name} can be seen in {colour}",
        "the picture shows that the {name} is {colour}",
        "the {name} is {colour} in the picture",
        "can you see that the {name} is {colour}",
    ),
    "with": (
        "{who} with {b}",
        "{who} beside {b}",
        "{who} next to the {other}",
        "{who} wants the {other}",
        "{b} belongs to {who}",
        "the picture shows {who} with {b}",
    ),
}
_SIDES = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}


def teacher_scenes(count: int) -> Iterator[Scene]:
    """Yield the first `count` scenes: things or people, every second one a line drawing."""
    for index in range(count):
        rng = np.random.default_rng([SEED, 0, index])
        contents = _contents(rng)
        yield Scene(
            split=_APART,
            index=index,
            kind=contents.kind,
            style="line" if index % 2 else "colour",
            background=any_light_background(rng),
            picture_px=PICTURE_PX,
            things=_placed(contents, rng),
        )


@cache
def known_concepts() -> tuple[Concept, ...]:
    """Return the concepts that the teacher may know, except persons."""
    return tuple(concept for concept in concepts() if concept.teacher_sees)


@cache
def _of_noun(noun: str) -> tuple[Concept, ...]:
    return tuple(concept for concept in known_concepts() if concept.noun == noun)


@cache
def _nouns() -> tuple[str, ...]:
    return tuple(dict.fromkeys(concept.noun for concept in known_concepts()))


def _contents(rng: np.random.Generator) -> Contents:
    while True:
        contents = _people(rng) if rng.random() < _PEOPLE_SHARE else _things(rng)
        if contents.split == _APART:
            return contents


def _things(rng: np.random.Generator) -> Contents:
    chosen: list[Concept] = []
    for _ in range(int(rng.integers(1, 5))):
        if chosen and rng.random() < _AGAIN_SHARE:
            noun = chosen[int(rng.integers(len(chosen)))].noun
            chosen.append(_any(_of_noun(noun), rng))
        else:
            chosen.append(_one(rng))
    package = (PACKAGE,) if rng.random() < _PACKAGE_SHARE else ()
    return Contents(names=(*(concept.name for concept in chosen), *package), kind="things")


def _people(rng: np.random.Generator) -> Contents:
    names: list[str] = []
    for place in rng.permutation(len(persons()))[: int(rng.integers(2, 4))]:
        names += [persons()[int(place)].name, _one(rng).name]
    return Contents(names=tuple(names), kind="people")


def _one(rng: np.random.Generator) -> Concept:
    """A concept by its noun, then its colour."""
    return _any(_of_noun(_any(_nouns(), rng)), rng)


def _any(values: Sequence[_T], rng: np.random.Generator) -> _T:
    return values[int(rng.integers(len(values)))]


def _placed(contents: Contents, rng: np.random.Generator) -> tuple[Thing, ...]:
    known, people = by_name(), contents.kind == "people"
    boxes = (
        place_people(len(contents.names) // 2, PICTURE_PX, rng)
        if people
        else place_things(len(contents.names), PICTURE_PX, rng)
    )
    return tuple(
        Thing(concept=known[name], box=box, owner=place - 1 if people and place % 2 else None)
        for place, (name, box) in enumerate(zip(contents.names, boxes, strict=True))
    )


def captions(scene: Scene, known: Facts, rng: np.random.Generator, count: int) -> list[tuple[Claim, str]]:
    """Return `count` captions in pairs: a true one, and a false one that says nearly the same."""
    sorted_out: dict[bool, dict[Kind, list[Claim]]] = {True: defaultdict(list), False: defaultdict(list)}
    for claim in _claimable(scene, known, rng):
        truth = known.truth(claim)
        if truth is not None:
            sorted_out[truth][claim.kind].append(claim)
    chosen: list[Claim] = []
    for _ in range(count // 2):
        true = _of_any_kind(sorted_out[True], rng)
        chosen += [true, _near(true, sorted_out[False], rng)]
    return [(claim, worded(claim, rng)) for claim in chosen]


def _near(true: Claim, false: dict[Kind, list[Claim]], rng: np.random.Generator) -> Claim:
    """A false claim of the same kind about the same things, if possible."""
    same = false[true.kind]
    for nearer in (
        [claim for claim in same if (claim.name, claim.other) == (true.name, true.other)],
        [claim for claim in same if claim.name == true.name],
        same,
    ):
        if nearer:
            return _any(nearer, rng)
    return _of_any_kind(false, rng)


def _of_any_kind(by_kind: dict[Kind, list[Claim]], rng: np.random.Generator) -> Claim:
    kinds = [kind for kind in _SHARES if by_kind[kind]]
    shares = np.array([_SHARES[kind] for kind in kinds])
    return _any(by_kind[kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]], rng)


def _claimable(scene: Scene, known: Facts, rng: np.random.Generator) -> Iterator[Claim]:
    """Yield claims about things in the scene and about some that are absent."""
    shown = [claim.name for claim in sorted(known.true) if claim.kind == "there"]
    absent = _absent(scene, shown, rng)
    for name in (*shown, *absent):
        yield Claim("there", name)
        yield Claim("absent", name)
        if name != PACKAGE:
            yield Claim("only", name)
            for word in NUMBERS:
                yield Claim("count", name, word)
    nouns = [thing.concept.noun for thing in scene.things]
    for name in nouns:
        for other in (*nouns, *absent[:1]):
            if name != other:
                for side in RELATIONS:
                    yield Claim("side", name, side, other)
    for concept in known_concepts():
        if concept.colour and concept.noun in nouns:
            yield Claim("colour", concept.noun, concept.colour)
    if scene.kind == "people":
        others = [name for name in (*shown, *absent) if name in _THING_NAMES]
        for who in (SOMEBODY, *(thing.concept.name for thing in scene.things if thing.concept.category == "person")):
            for name in others:
                yield Claim("with", who, other=name)


_THING_NAMES = frozenset(name for concept in concepts() for name in (concept.noun, concept.name))


def _absent(scene: Scene, shown: list[str], rng: np.random.Generator) -> list[str]:
    """Some names of absent things, among them those of present things in other colours."""
    names = {name for concept in known_concepts() for name in (concept.noun, concept.name)} | {*COUNTED_CATEGORIES}
    names |= {person.name for person in persons()} | {PACKAGE}
    others = sorted(names - {*shown})
    nouns = {thing.concept.noun for thing in scene.things}
    near = [c.name for c in known_concepts() if c.noun in nouns and c.colour and c.name not in shown]
    return [others[int(i)] for i in rng.permutation(len(others))[:_NUM_ABSENT]] + near


def worded(claim: Claim, rng: np.random.Generator) -> str:
    """Return a claim in words, in one of several ways."""
    who = claim.name
    if claim.kind == "with":
        name = NEUTRAL_NAMES[int(rng.integers(len(NEUTRAL_NAMES)))].lower()
        who = name if who == SOMEBODY else with_article(who)
    return _any(_WORDINGS[claim.kind], rng).format(
        a=with_article(claim.name),
        name=claim.name,
        names="people" if claim.name == "person" else plural_of(claim.name),
        number=claim.value,
        colour=claim.value,
        side=_any(_SIDES.get(claim.value, ("",)), rng),
        b=with_article(claim.other) if claim.other else "",
        other=claim.other,
        who=who,
    )
