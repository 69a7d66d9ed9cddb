"""Captions of scenes, for pretraining: a few claims about what is there, how often, and where.

A caption is true if each of its claims is, which makes wrong ones easy to tell: whatever a changed scene claims and
the scene itself does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

import numpy as np

from trainables.data.examples import Text
from trainables.data.mini.concepts import plural_of
from trainables.data.mini.concepts import with_article
from trainables.data.mini.relations import relation
from trainables.data.mini.scene import Scene
from trainables.data.mini.scene import Thing
from trainables.data.tokens import PERSON
from trainables.data.tokens import tagged_text

_NUMBER_WORDS = {2: "two", 3: "three", 4: "four"}
_MOST_CLAIMS = 2
_COLOUR_SHARE = 0.7
"""Share of the captions that name colours."""
_TAG_SHARE = 0.5
"""Share of the captions of people that name them by their tags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing that a caption says."""

    tokens: tuple[str | int, ...]
    """Words, and a person's position in the scene where a tag stands for the name."""
    about: frozenset[str | int] = field(compare=False)


def caption(scene: Scene, rng: np.random.Generator) -> Text:
    """Return a true caption such as `a red heart left of a cat and two dogs`."""
    return _said(_chosen(claims(scene, *_style(rng)), rng), scene)


def wrong_caption(scene: Scene, changed: Scene, rng: np.random.Generator) -> Text | None:
    """Return a caption of `changed` that is not true of `scene`; None if all that was drawn to be said is."""
    colours, tags = _style(rng)
    if len(changed.things) != len(scene.things) or changed.kind != scene.kind:
        tags = False  # the tags of another scene mean nothing here
    said = claims(changed, colours, tags)
    true = {*claims(scene, colours, tags), *_others_that_hold(scene, colours, tags)}
    false = [claim for claim in said if claim not in true]
    if not false:
        return None
    first = false[int(rng.integers(len(false)))]
    chosen = _chosen([first, *_shuffled(said, rng)], rng, shuffle=False)
    return _said(_shuffled(chosen, rng), scene)


def claims(scene: Scene, colours: bool, tags: bool) -> list[Claim]:
    """Return what a caption may say of `scene`, naming colours or not, and people by tags or by name."""
    if scene.kind == "people":
        return list(_of_people(scene, colours, tags))
    return [*_counts(scene.things, colours), *_relations(_single(scene.things, colours), colours)]


def _style(rng: np.random.Generator) -> tuple[bool, bool]:
    return bool(rng.random() < _COLOUR_SHARE), bool(rng.random() < _TAG_SHARE)


def _counts(things: Sequence[Thing], colours: bool) -> Iterator[Claim]:
    for name, count in Counter(_name(thing, colours) for thing in things).items():
        yield _claim((with_article(name),), (name,))
        if count in _NUMBER_WORDS:
            yield _claim((_NUMBER_WORDS[count], plural_of(name)), (name,))


def _single(things: Sequence[Thing], colours: bool) -> list[Thing]:
    """Return the things that no other thing shares its name with."""
    counts = Counter(_name(thing, colours) for thing in things)
    return [thing for thing in things if counts[_name(thing, colours)] == 1]


def _relations(things: Sequence[Thing], colours: bool) -> Iterator[Claim]:
    for first in things:
        for second in things:
            side = relation(first.box, second.box) if first is not second else None
            if side:
                a, b = _name(first, colours), _name(second, colours)
                yield _claim((with_article(a), side, with_article(b)), (a, b))


def _others_that_hold(scene: Scene, colours: bool, tags: bool) -> Iterator[Claim]:
    """Yield what is true of `scene` though no caption of it would say so."""
    yield from _counts(scene.things, colours)
    yield from _relations(scene.things, colours)
    for place in scene.people if tags else ():
        for other in scene.things:
            side = relation(scene.things[place].box, other.box)
            if side:
                yield _claim((place, side, with_article(_name(other, colours))), (place,))


def _of_people(scene: Scene, colours: bool, tags: bool) -> Iterator[Claim]:
    for place in scene.people:
        own = next(thing for thing in scene.things if thing.owner == place)
        thing = _name(own, colours)
        who: str | int = place if tags else with_article(scene.things[place].concept.name)
        yield _claim((who, "with", with_article(thing)), (who, thing))
        side = relation(scene.things[place].box, own.box)
        if side:
            yield _claim((who, side, with_article(thing)), (who, thing))


def _claim(tokens: tuple[str | int, ...], about: tuple[str | int, ...]) -> Claim:
    return Claim(tokens=tokens, about=frozenset(about))


def _name(thing: Thing, colours: bool) -> str:
    return thing.concept.name if colours else thing.concept.noun


def _chosen(said: Sequence[Claim], rng: np.random.Generator, *, shuffle: bool = True) -> list[Claim]:
    """Return one or two claims, no two about the same thing."""
    wanted = 1 + int(rng.integers(_MOST_CLAIMS))
    chosen: list[Claim] = []
    for claim in _shuffled(said, rng) if shuffle else said:
        if len(chosen) < wanted and not any(claim.about & other.about for other in chosen):
            chosen.append(claim)
    return chosen


def _shuffled(said: Sequence[Claim], rng: np.random.Generator) -> list[Claim]:
    return [said[int(place)] for place in rng.permutation(len(said))]


def _said(chosen: Sequence[Claim], scene: Scene) -> Text:
    tokens: list[str | list[int]] = []
    for place, claim in enumerate(chosen):
        if place:
            tokens.append("and" if place == len(chosen) - 1 else ",")
        tokens += [token if isinstance(token, str) else [token] for token in claim.tokens]
    return tagged_text(tokens, [PERSON] * len(scene.things))
