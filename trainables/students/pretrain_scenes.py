"""Captioned pictures for pretraining: scenes of the benchmark's `pretrain` split, drawn once into the cache."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ablative.progress import Progress
from ablative.trainables.benchmark.caption import caption
from ablative.trainables.benchmark.caption import wrong_caption
from ablative.trainables.benchmark.concepts import PACKAGE
from ablative.trainables.benchmark.concepts import by_name
from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.concepts import persons
from ablative.trainables.benchmark.draw import jpeg
from ablative.trainables.benchmark.draw import render
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import Thing
from ablative.trainables.benchmark.scene import scene
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.parts.task import Layout
from ablative.trainables.parts.task import Task

_CAPTIONS = Task(
    name="pretrain",
    description="Does the caption fit the picture? The student's own pretraining, which no study names.",
    layout=lambda place: Layout(required=(), remedy=""),
    read=lambda reading: iter(()),
    head="independent",
)
HARD_SHARE = 0.5
"""How often only the colour of a coloured thing changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionedScenes:
    """Scenes with their pictures, and captions drawn on demand."""

    scenes: tuple[Scene, ...]
    split: TaskSplit
    """One example a scene, for the region features."""

    def right(self, index: int, rng: np.random.Generator) -> Text:
        """A true caption."""
        return caption(self.scenes[index], rng)

    def wrong(self, index: int, rng: np.random.Generator) -> Text:
        """A false caption: of another scene, or of this one turned, with a concept exchanged or two things swapped."""
        one = self.scenes[index]
        while True:
            kind = rng.integers(4)
            if kind == 0:
                changed = self.scenes[int(rng.integers(len(self.scenes)))]
            else:
                changed = (_exchanged, _swapped, turned)[kind - 1](one, rng)
            text = wrong_caption(one, changed, rng)
            if text is not None:
                return text

    def labels(self, index: int) -> list[str]:
        """Name of what each box of the scene holds."""
        return [thing.concept.name for thing in self.scenes[index].things]


def region_classes() -> list[str]:
    """What boxes of pretraining scenes may hold."""
    return [name for name, concept in by_name().items() if concept.pretrain or name == PACKAGE]


def captioned_scenes(count: int, folder: Path, progress: Progress) -> CaptionedScenes:
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
        task=_CAPTIONS, split="pretrain", examples=examples, image_folder=str(folder), boxes=boxes, classes=()
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


def _exchanged(one: Scene, rng: np.random.Generator) -> Scene:
    """The scene with another concept in one place: any other, or the same in another colour."""
    places = [i for i, thing in enumerate(one.things) if thing.concept.category != "package"]
    place = places[int(rng.integers(len(places)))]
    old = one.things[place].concept
    pool = persons() if old.category == "person" else concepts()
    others = [c for c in pool if c.pretrain and c.name != old.name]
    if old.colour and rng.random() < HARD_SHARE:
        others = [c for c in others if c.noun == old.noun]
    return _with(one, {place: dataclasses.replace(one.things[place], concept=others[int(rng.integers(len(others)))])})


def _swapped(one: Scene, rng: np.random.Generator) -> Scene:
    """The scene with two things (not people) swapped."""
    places = [i for i, thing in enumerate(one.things) if thing.concept.category != "person"]
    a, b = (int(i) for i in rng.permutation(places)[:2])
    first, second = one.things[a], one.things[b]
    changes = {
        a: dataclasses.replace(first, concept=second.concept),
        b: dataclasses.replace(second, concept=first.concept),
    }
    return _with(one, changes)


def turned(one: Scene, rng: np.random.Generator) -> Scene:
    """The scene after one, two or three quarter turns: the same things, none on the same side of another."""
    for _ in range(int(rng.integers(1, 4))):
        one = _with(one, {i: _quarter_turned(thing, one.picture_px) for i, thing in enumerate(one.things)})
    return one


def _quarter_turned(thing: Thing, picture_px: int) -> Thing:
    x1, y1, x2, y2 = thing.box
    return dataclasses.replace(thing, box=(picture_px - y2, x1, picture_px - y1, x2))


def _with(one: Scene, changes: dict[int, Thing]) -> Scene:
    return dataclasses.replace(one, things=tuple(changes.get(i, thing) for i, thing in enumerate(one.things)))
