"""Captions of scenes, for pretraining: each makes one claim about what is there, how often, or where.

A wrong caption is true for a changed scene and false for the scene itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from ablative.trainables.benchmark.concepts import plural_of
from ablative.trainables.benchmark.concepts import with_article
from ablative.trainables.benchmark.relations import relation
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import Thing
from ablative.trainables.data.examples import Text
from ablative.trainables.data.tokens import PERSON
from ablative.trainables.data.tokens import tagged_text

_NUMBER_WORDS = {2: "two", 3: "three", 4: "four"}
_COLOUR_SHARE = 0.7
"""Share of the captions that name colours."""
_TAG_SHARE = 0.5
"""Share of the captions of people that name them by their tags."""


Claim = tuple[str | int, ...]
"""Words, and a person's position in the scene where a tag stands for the name."""


def caption(scene: Scene, rng: np.random.Generator) -> Text:
    """Return a true caption such as `a red heart left of a cat`."""
    return _said(_one_of(claims(scene, *_style(rng)), rng), scene)


def wrong_caption(scene: Scene, changed: Scene, rng: np.random.Generator) -> Text | None:
    """Return a caption of `changed` that is not true for `scene`; None if there is none in the style drawn."""
    colours, tags = _style(rng)
    if len(changed.things) != len(scene.things) or changed.kind != scene.kind:
        tags = False  # tags of another scene mean nothing here
    true = {*claims(scene, colours, tags), *_others_that_hold(scene, colours, tags)}
    false = [claim for claim in claims(changed, colours, tags) if claim not in true]
    return _said(_one_of(false, rng), scene) if false else None


def claims(scene: Scene, colours: bool, tags: bool) -> list[Claim]:
    """Return the claims that a caption may make about `scene`, with or without colours, people by tags or names."""
    if scene.kind == "people":
        return list(_of_people(scene, colours, tags))
    return [*_counts(scene.things, colours), *_relations(_single(scene.things, colours), colours)]


def _style(rng: np.random.Generator) -> tuple[bool, bool]:
    return bool(rng.random() < _COLOUR_SHARE), bool(rng.random() < _TAG_SHARE)


def _counts(things: Sequence[Thing], colours: bool) -> Iterator[Claim]:
    for name, count in Counter(_name(thing, colours) for thing in things).items():
        yield (with_article(name),)
        if count in _NUMBER_WORDS:
            yield (_NUMBER_WORDS[count], plural_of(name))


def _single(things: Sequence[Thing], colours: bool) -> list[Thing]:
    """Return the things whose name no other thing shares."""
    counts = Counter(_name(thing, colours) for thing in things)
    return [thing for thing in things if counts[_name(thing, colours)] == 1]


def _relations(things: Sequence[Thing], colours: bool) -> Iterator[Claim]:
    for first in things:
        for second in things:
            side = relation(first.box, second.box) if first is not second else None
            if side:
                yield (with_article(_name(first, colours)), side, with_article(_name(second, colours)))


def _others_that_hold(scene: Scene, colours: bool, tags: bool) -> Iterator[Claim]:
    """Yield true claims about `scene` that no caption of it would make."""
    yield from _counts(scene.things, colours)
    yield from _relations(scene.things, colours)
    for place in scene.people if tags else ():
        for other in scene.things:
            side = relation(scene.things[place].box, other.box)
            if side:
                yield (place, side, with_article(_name(other, colours)))


def _of_people(scene: Scene, colours: bool, tags: bool) -> Iterator[Claim]:
    for place in scene.people:
        own = next(thing for thing in scene.things if thing.owner == place)
        thing = _name(own, colours)
        who: str | int = place if tags else with_article(scene.things[place].concept.name)
        yield (who, "with", with_article(thing))
        side = relation(scene.things[place].box, own.box)
        if side:
            yield (who, side, with_article(thing))


def _name(thing: Thing, colours: bool) -> str:
    return thing.concept.name if colours else thing.concept.noun


def _one_of(said: Sequence[Claim], rng: np.random.Generator) -> Claim:
    return said[int(rng.integers(len(said)))]


def _said(claim: Claim, scene: Scene) -> Text:
    return tagged_text([token if isinstance(token, str) else [token] for token in claim], [PERSON] * len(scene.things))
