"""The claims that a caption can make about a scene, and whether they are true, read from the scene graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Literal
from typing import NamedTuple

from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.mention import COUNTED_CATEGORIES
from ablative.trainables.benchmark.relations import RELATIONS
from ablative.trainables.benchmark.relations import leans
from ablative.trainables.benchmark.relations import relation
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import Thing

Kind = Literal["there", "absent", "count", "only", "side", "colour", "with"]
PERSON = "person"
SOMEBODY = "somebody"
"""Person names: a picture cannot show which person bears one."""
NUMBERS = {"two": 2, "three": 3, "four": 4}


class Claim(NamedTuple):
    """One claim about a picture."""

    kind: Kind
    name: str
    value: str = ""
    """A number word, a side or a colour."""
    other: str = ""
    """The thing on that side, or the thing that a person is with."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is true for a scene, and everything that its picture leaves open; any other claim is false."""

    true: frozenset[Claim]
    open: frozenset[Claim]

    def truth(self, claim: Claim) -> bool | None:
        """Return whether a claim is true; None if the picture leaves it open."""
        if claim.kind == "absent":
            there = self.truth(Claim("there", claim.name))
            return None if there is None else not there
        return None if claim in self.open else claim in self.true


def facts(scene: Scene) -> Facts:
    """Return everything that is true for a scene."""
    named = [_names(thing, scene.shows_colour) for thing in scene.things]
    true: set[Claim] = set()
    left_open: set[Claim] = set()
    for claim, is_open in (*_numbers(named), *_sides(scene, named), *_colours(scene), *_owners(scene, named)):
        (left_open if is_open else true).add(claim)
    return Facts(frozenset(true), frozenset(left_open - true))


class _Names(NamedTuple):
    sure: tuple[str, ...]
    perhaps: tuple[str, ...]
    """Names in colours that a line drawing does not show."""


def _names(thing: Thing, shows_colour: bool) -> _Names:
    concept = thing.concept
    sure = [concept.noun]
    if concept.category in (*COUNTED_CATEGORIES, PERSON):
        sure.append(concept.category)
    if concept.colour and shows_colour:
        sure.append(concept.name)
    family = [other.name for other in concepts() if concept.colour and other.noun == concept.noun]
    return _Names(tuple(sure), () if shows_colour else tuple(family))


_Row = tuple[Claim, bool]
"""A claim, and whether it is left open (else true)."""


def _numbers(named: list[_Names]) -> Iterator[_Row]:
    for name, count in Counter(name for names in named for name in names.sure).items():
        yield Claim("there", name), False
        if count == 1:
            yield Claim("only", name), False
        for word, number in NUMBERS.items():
            if number == count:
                yield Claim("count", name, word), False
    for name in {name for names in named for name in names.perhaps}:
        yield Claim("there", name), True
        yield Claim("only", name), True
        for word in NUMBERS:
            yield Claim("count", name, word), True


def _sides(scene: Scene, named: list[_Names]) -> Iterator[_Row]:
    for i, j in permutations(range(len(named)), 2):
        first, second = scene.things[i].box, scene.things[j].box
        said = relation(first, second)
        for side in RELATIONS:
            sure = side == said
            for a, b, perhaps in _pairs(named[i], named[j]):
                if a != b and (perhaps or sure or leans(first, second, side)):
                    yield Claim("side", a, side, b), perhaps or not sure


def _pairs(first: _Names, second: _Names) -> Iterator[tuple[str, str, bool]]:
    for a in first.sure + first.perhaps:
        for b in second.sure + second.perhaps:
            yield a, b, a in first.perhaps or b in second.perhaps


def _colours(scene: Scene) -> Iterator[_Row]:
    coloured = [thing.concept for thing in scene.things if thing.concept.colour]
    counts = Counter(concept.noun for concept in coloured)
    for concept in coloured:
        if scene.shows_colour and counts[concept.noun] == 1:
            yield Claim("colour", concept.noun, concept.colour or ""), False
            continue
        for other in concepts():
            if other.noun == concept.noun:
                yield Claim("colour", concept.noun, other.colour or ""), True


def _owners(scene: Scene, named: list[_Names]) -> Iterator[_Row]:
    for place, thing in enumerate(scene.things):
        if thing.owner is not None:
            for who in (scene.things[thing.owner].concept.name, SOMEBODY):
                for name in named[place].sure:
                    yield Claim("with", who, other=name), False
                for name in named[place].perhaps:
                    yield Claim("with", who, other=name), True
