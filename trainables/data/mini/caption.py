"""Captions of scenes, for pretraining: what is there, and one clear relation."""

from __future__ import annotations

from collections import Counter

import numpy as np

from trainables.data.mini.concepts import by_name
from trainables.data.mini.concepts import with_article
from trainables.data.mini.relations import relation
from trainables.data.mini.scene import Scene
from trainables.data.mini.scene import Thing

_NUMBER_WORDS = {2: "two", 3: "three", 4: "four"}


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Return a true caption such as `a red heart left of a cat and two dogs`."""
    if scene.kind == "people":
        return _joined([_with_thing(scene, place) for place in scene.people])
    pair = _related_pair(scene, rng) if rng.random() < 0.75 else None
    counts = Counter(thing.concept.name for thing in scene.things)
    parts: list[str] = []
    if pair:
        first, second = pair
        parts.append(
            f"{with_article(first.concept.name)} {relation(first.box, second.box)} {with_article(second.concept.name)}"
        )
        counts.subtract((first.concept.name, second.concept.name))
    named = [_counted(name, count) for name, count in counts.items() if count > 0]
    order = rng.permutation(len(named))
    return _joined(parts + [named[int(place)] for place in order])


def _related_pair(scene: Scene, rng: np.random.Generator) -> tuple[Thing, Thing] | None:
    """Return two things of which the scene holds only one each, clearly related."""
    counts = Counter(thing.concept.name for thing in scene.things)
    single = [thing for thing in scene.things if counts[thing.concept.name] == 1]
    pairs = [(a, b) for a in single for b in single if a is not b and relation(a.box, b.box)]
    return pairs[int(rng.integers(len(pairs)))] if pairs else None


def _with_thing(scene: Scene, place: int) -> str:
    person = scene.things[place].concept.name
    thing = next(thing.concept.name for thing in scene.things if thing.owner == place)
    return f"{with_article(person)} with {with_article(thing)}"


def _counted(name: str, count: int) -> str:
    return with_article(name) if count == 1 else f"{_NUMBER_WORDS[count]} {by_name()[name].plural}"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
