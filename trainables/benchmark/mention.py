"""The names that a text may use: of things that a scene shows, and of things that it does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ablative.trainables.benchmark.concepts import Concept
from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.concepts import plural_of
from ablative.trainables.benchmark.concepts import slice_of
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import Thing

COUNTED_CATEGORIES = ("animal", "vehicle")
_NUM_ABSENT = 4
_NUM_ABSENT_HELD_OUT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A name in a text, and the number of visible things with that name."""

    name: str
    count: int
    slice: str
    """`seen`, `heldout_known` or `heldout_unknown`."""

    @property
    def plural(self) -> str:
        """The name in the plural."""
        return plural_of(self.name)


def present(scene: Scene) -> list[Mention]:
    """Return the names of visible things: nouns, and full names if colours are visible."""
    counts: Counter[str] = Counter()
    for thing in scene.visible:
        counts.update(_names(thing.concept, scene.shows_colour))
    return [Mention(name=name, count=count, slice=slice_of((name,))) for name, count in counts.items()]


def absent(scene: Scene, rng: np.random.Generator) -> list[Mention]:
    """Return a few names of invisible things; held-out ones in `test` only."""
    shown = {mention.name for mention in present(scene)}
    pools: dict[str, list[str]] = {"seen": [], "heldout_known": [], "heldout_unknown": []}
    for name in dict.fromkeys(name for concept in concepts() for name in _names(concept, scene.shows_colour)):
        if name not in shown:
            pools[slice_of((name,))].append(name)
    found = []
    for kind, pool in pools.items():
        wanted = _NUM_ABSENT if kind == "seen" else _NUM_ABSENT_HELD_OUT * (scene.split == "test")
        found += [Mention(name=pool[int(i)], count=0, slice=kind) for i in rng.permutation(len(pool))[:wanted]]
    return found + _other_colours(scene, shown)


def _other_colours(scene: Scene, shown: set[str]) -> list[Mention]:
    """Return names in the wrong colour, of a family that the scene shows: the hard ones."""
    if not scene.shows_colour:
        return []
    nouns = {thing.concept.noun for thing in scene.visible if thing.concept.colour}
    wrong = [concept.name for concept in concepts() if concept.noun in nouns and concept.name not in shown]
    return [Mention(name=name, count=0, slice="seen") for name in wrong]


def _names(concept: Concept, shows_colour: bool) -> tuple[str, ...]:
    return (concept.noun, concept.name) if concept.colour and shows_colour else (concept.noun,)


def single_things(scene: Scene) -> list[Thing]:
    """Return the visible things whose noun no other visible thing has: `the dog` can mean only one."""
    counts = Counter(thing.concept.noun for thing in scene.visible)
    return [thing for thing in scene.visible if counts[thing.concept.noun] == 1]


def category_counts(scene: Scene) -> dict[str, int]:
    """Return the number of visible things in each category that texts count."""
    counts = Counter(thing.concept.category for thing in scene.visible)
    return {category: counts[category] for category in COUNTED_CATEGORIES}
