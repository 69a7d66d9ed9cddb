"""Captioned pictures for pretraining: scenes of the benchmark's `pretrain` split, drawn once into the cache."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.data.examples import Candidate
from trainables.data.examples import Example
from trainables.data.examples import TaskSplit
from trainables.data.examples import Text
from trainables.data.mini.caption import caption
from trainables.data.mini.concepts import concepts
from trainables.data.mini.draw import jpeg
from trainables.data.mini.draw import render
from trainables.data.mini.scene import Scene
from trainables.data.mini.scene import Thing
from trainables.data.mini.scene import scene
from trainables.data.mini.spec import preset

TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionedScenes:
    """Scenes with their pictures, and captions drawn on demand."""

    scenes: tuple[Scene, ...]
    split: TaskSplit
    """One example a scene, for the region features."""

    def right(self, index: int, rng: np.random.Generator) -> str:
        """A true caption."""
        return caption(self.scenes[index], rng)

    def wrong(self, index: int, rng: np.random.Generator) -> str:
        """A caption that is not true: of another scene, of the scene with one concept exchanged, or with two things
        in each other's place."""
        for _ in range(TRIES):
            kind = rng.integers(3)
            if kind == 0:
                return caption(self.scenes[int(rng.integers(len(self.scenes)))], rng)
            changed = _exchanged(self.scenes[index], rng) if kind == 1 else _swapped(self.scenes[index], rng)
            if changed is not None and _places(changed) != _places(self.scenes[index]):
                return caption(changed, rng)
        return caption(self.scenes[int(rng.integers(len(self.scenes)))], rng)


def captioned_scenes(count: int, folder: Path, progress: Callable[[str, int, int], None]) -> CaptionedScenes:
    """The first `count` pretraining scenes; pictures that `folder` lacks are drawn."""
    spec = preset("mini")
    folder.mkdir(parents=True, exist_ok=True)
    scenes = tuple(scene(spec, "pretrain", index) for index in range(count))
    for number, one in enumerate(scenes):
        path = folder / f"{one.index}.jpg"
        if not path.exists():
            path.write_bytes(jpeg(render(one)))
        if number % 100 == 99:
            progress("pretraining scenes", number + 1, count)
    examples = tuple(_example(one) for one in scenes)
    boxes = {f"{one.index}.jpg": tuple(_box(thing) for thing in one.things) for one in scenes}
    split = TaskSplit(
        task="pretrain", split="pretrain", examples=examples, image_folder=str(folder), boxes=boxes, classes=()
    )
    return CaptionedScenes(scenes=scenes, split=split)


def _example(one: Scene) -> Example:
    return Example(
        id=str(one.index),
        image=f"{one.index}.jpg",
        candidates=(Candidate(query=Text(text="")),),
        targets=(),
        stratum="",
        group=str(one.index),
    )


def _box(thing: Thing) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = thing.box
    return float(x1), float(y1), float(x2), float(y2)


def _exchanged(one: Scene, rng: np.random.Generator) -> Scene | None:
    present = {thing.concept.noun for thing in one.things}
    others = [c for c in concepts() if c.pretrain and c.category != "person" and c.noun not in present]
    places = [i for i, thing in enumerate(one.things) if thing in one.visible]
    if not others or not places:
        return None
    place = places[int(rng.integers(len(places)))]
    return _with(one, {place: dataclasses.replace(one.things[place], concept=others[int(rng.integers(len(others)))])})


def _swapped(one: Scene, rng: np.random.Generator) -> Scene | None:
    places = [i for i, thing in enumerate(one.things) if thing in one.visible]
    if len(places) < 2:
        return None
    a, b = (int(i) for i in rng.permutation(places)[:2])
    first, second = one.things[a], one.things[b]
    return _with(
        one,
        {
            a: dataclasses.replace(first, concept=second.concept),
            b: dataclasses.replace(second, concept=first.concept),
        },
    )


def _with(one: Scene, changes: dict[int, Thing]) -> Scene:
    return dataclasses.replace(one, things=tuple(changes.get(i, thing) for i, thing in enumerate(one.things)))


def _places(one: Scene) -> list[tuple[str, object]]:
    return [(thing.concept.name, thing.box) for thing in one.things]
