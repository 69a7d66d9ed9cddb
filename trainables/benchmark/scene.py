"""The scene graph: which things are where, in which style. The benchmark draws and words everything from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ablative.trainables.benchmark.background import Background
from ablative.trainables.benchmark.background import draw_background
from ablative.trainables.benchmark.concepts import PACKAGE
from ablative.trainables.benchmark.concepts import Concept
from ablative.trainables.benchmark.concepts import by_name
from ablative.trainables.benchmark.contents import Contents
from ablative.trainables.benchmark.contents import Kind
from ablative.trainables.benchmark.contents import draw_contents
from ablative.trainables.benchmark.layout import place_people
from ablative.trainables.benchmark.layout import place_things
from ablative.trainables.benchmark.relations import Box
from ablative.trainables.benchmark.spec import SPLITS
from ablative.trainables.benchmark.spec import MiniSpec

Style = Literal["colour", "line"]

_SCENES_A_SPLIT = 1_000_000
"""Room for scene numbers of one split; the pretraining split may use all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One sprite in a scene."""

    concept: Concept
    box: Box
    owner: int | None = None
    """For a thing beside a person: the person's position in `Scene.things`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One picture's scene graph."""

    split: str
    index: int
    kind: Kind
    style: Style
    background: Background
    picture_px: int
    things: tuple[Thing, ...]

    @property
    def number(self) -> int:
        """Number unique over all splits; the image's number in every file."""
        return SPLITS.index(self.split) * _SCENES_A_SPLIT + self.index

    @property
    def has_package(self) -> bool:
        """Whether something might be hidden in a closed package."""
        return any(thing.concept.name == PACKAGE for thing in self.things)

    @property
    def visible(self) -> tuple[Thing, ...]:
        """Everything but the package and the persons: the subjects of statements and questions."""
        return tuple(thing for thing in self.things if thing.concept.category not in ("package", "person"))

    @property
    def people(self) -> tuple[int, ...]:
        """Positions of the persons in `things`."""
        return tuple(place for place, thing in enumerate(self.things) if thing.concept.category == "person")

    @property
    def shows_colour(self) -> bool:
        """Whether colours are visible: not in line drawings."""
        return self.style == "colour"


def scene(spec: MiniSpec, split: str, index: int) -> Scene:
    """Return scene `index` of `split`: a pure function of its arguments.

    The split `pretrain` has no end and is not part of the benchmark: its scenes hold only concepts with
    `pretrain=True` and contents that no other split holds.
    """
    rng = np.random.default_rng([spec.seed, SPLITS.index(split), index])
    kind = _kind(spec, split, index)
    contents = draw_contents(spec, split, kind, rng)
    unseen = split == "test_style"
    return Scene(
        split=split,
        index=index,
        kind=kind,
        style="line" if unseen else "colour",
        background=draw_background(rng, unseen=unseen),
        picture_px=spec.picture_px,
        things=_placed(contents, spec.picture_px, rng),
    )


def _kind(spec: MiniSpec, split: str, index: int) -> Kind:
    if split == "pretrain":
        return "people" if index % 3 == 2 else "things"
    return "things" if index < spec.sizes[split].things else "people"


def _placed(contents: Contents, picture_px: int, rng: np.random.Generator) -> tuple[Thing, ...]:
    known = by_name()
    if contents.kind == "things":
        boxes = place_things(len(contents.names), picture_px, rng)
        return tuple(Thing(concept=known[name], box=box) for name, box in zip(contents.names, boxes, strict=True))
    boxes = place_people(len(contents.names) // 2, picture_px, rng)
    return tuple(
        Thing(concept=known[name], box=box, owner=place - 1 if place % 2 else None)
        for place, (name, box) in enumerate(zip(contents.names, boxes, strict=True))
    )
