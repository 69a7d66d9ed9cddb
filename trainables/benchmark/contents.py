"""The things in a scene, before anything has a place.

This keeps splits apart: the contents of a scene (the multiset of its concepts) hash into one of the shares below, and
a split draws until its contents fall into its own share. So no scene graph of one split can occur in another, whatever
the seeds, and no list of earlier scenes is needed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from ablative.trainables.benchmark.concepts import PACKAGE
from ablative.trainables.benchmark.concepts import Concept
from ablative.trainables.benchmark.concepts import by_name
from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.concepts import persons
from ablative.trainables.benchmark.spec import MiniSpec

Kind = Literal["things", "people"]

_SHARES = {
    "train": 42,
    "val": 8,
    "test": 14,
    "test_style": 8,
    "test_priors": 8,
    "test_shortcuts": 8,
    "pretrain": 12,
}
"""Percent of all contents that belong to each split."""
_REPEAT_SHARE = 0.35
"""How often a thing has the noun of an earlier one, so that there is something to count."""
_NUM_THINGS = ((2, 3, 4), (0.25, 0.4, 0.35))
_NUM_PERSONS = ((2, 3), (0.6, 0.4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Names of the things in a scene."""

    names: tuple[str, ...]
    """Things first, then a package if there is one; for people: person, thing, person, thing, ..."""
    kind: Kind

    @property
    def split(self) -> str:
        """The only split whose scenes may hold exactly these contents."""
        point = _hash("|".join((self.kind, *sorted(self.names)))) % 100
        for split, share in _SHARES.items():
            point -= share
            if point < 0:
                return split
        raise AssertionError("the shares sum to 100")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def draw_contents(spec: MiniSpec, split: str, kind: Kind, rng: np.random.Generator) -> Contents:
    """Return contents that belong to `split`."""
    draw = _things if kind == "things" else _people
    while True:
        contents = draw(spec, split, rng)
        if contents.split == split:
            return contents


def _things(spec: MiniSpec, split: str, rng: np.random.Generator) -> Contents:
    chosen: list[Concept] = []
    for _ in range(int(rng.choice(_NUM_THINGS[0], p=_NUM_THINGS[1]))):
        if chosen and rng.random() < _REPEAT_SHARE:
            chosen.append(_again(chosen[int(rng.integers(len(chosen)))], split, rng))
        else:
            chosen.append(any_concept(spec, split, rng))
    package = (PACKAGE,) if rng.random() < spec.package_share else ()
    return Contents(names=(*(concept.name for concept in chosen), *package), kind="things")


def _people(spec: MiniSpec, split: str, rng: np.random.Generator) -> Contents:
    pool = [person.name for person in persons() if split != "pretrain" or person.pretrain]
    count = int(rng.choice(_NUM_PERSONS[0], p=_NUM_PERSONS[1]))
    names: list[str] = []
    nouns: set[str] = set()
    for person in rng.permutation(np.array(pool, dtype=object))[:count]:
        thing = any_concept(spec, split, rng)
        while thing.noun in nouns:
            thing = any_concept(spec, split, rng)
        nouns.add(thing.noun)
        names += [str(person), thing.name]
    return Contents(names=tuple(names), kind="people")


def any_concept(spec: MiniSpec, split: str, rng: np.random.Generator) -> Concept:
    """Return a concept that `split` may show; only `test` shows held-out ones."""
    if split == "test" and rng.random() < spec.held_out_share:
        held_out = _pool("held_out")[0]
        return by_name()[held_out[int(rng.integers(len(held_out)))]]
    names, weights = _pool("pretrain" if split == "pretrain" else "seen")
    return by_name()[names[int(rng.choice(len(names), p=weights))]]


def _again(earlier: Concept, split: str, rng: np.random.Generator) -> Concept:
    """Return the same concept, or one of another colour."""
    family = [
        concept
        for concept in concepts()
        if concept.noun == earlier.noun and not concept.held_out and (split != "pretrain" or concept.pretrain)
    ]
    return family[int(rng.integers(len(family)))] if family and earlier.colour and rng.random() < 0.5 else earlier


@cache
def _pool(which: str) -> tuple[tuple[str, ...], np.ndarray]:
    kept = {
        "held_out": [concept for concept in concepts() if concept.held_out],
        "seen": [concept for concept in concepts() if not concept.held_out],
        "pretrain": [concept for concept in concepts() if concept.pretrain],
    }[which]
    weights = np.array([0.5 if concept.colour else 1.0 for concept in kept])
    return tuple(concept.name for concept in kept), weights / weights.sum()
