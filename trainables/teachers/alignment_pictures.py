"""Pictures and labels that the bundled teacher is aligned on: emoji one by one, and a few together.

None of them is a scene of the benchmark: a benchmark scene shows at least two concepts, these show at most one.
Nothing is drawn or named that shares a noun with a concept of `teacher_sees=False`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ablative.trainables.benchmark.background import Background
from ablative.trainables.benchmark.concepts import by_name
from ablative.trainables.benchmark.concepts import with_article
from ablative.trainables.benchmark.emoji import usable_emoji
from ablative.trainables.benchmark.layout import place_things
from ablative.trainables.benchmark.sprites import sprite
from ablative.trainables.teachers.recipe import AlignmentRecipe

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURE_PX = 224
_SINGLE_PX = (56, 204)
_PATTERNS = ("plain", "down", "across", "stripes", "checks", "dots")
_THINGS = frozenset({"Animals & Nature", "Food & Drink", "Activities", "Objects", "Travel & Places", "People & Body"})
_FACES = frozenset({"Smileys & Emotion"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Something that can be drawn and named."""

    code: str
    category: str
    labels: tuple[str, ...]
    in_world: bool
    """Whether it is a concept of the benchmark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture to draw: subjects by position in `subjects()`, each with its box."""

    style: str
    background: Background
    shown: tuple[int, ...]
    boxes: tuple[tuple[int, int, int, int], ...]


@cache
def subjects() -> tuple[Subject, ...]:
    """Return every emoji that the teacher may know; the benchmark's concepts bear the benchmark's name too.

    Signs (the category of symbols) have names that nobody says, so only the benchmark's signs stay.
    """
    names = {concept.code: concept.name for concept in by_name().values() if concept.teacher_sees}
    found = []
    for emoji in usable_emoji():
        name = names.get(emoji.code) or names.get(emoji.code.replace("-FE0F", ""))
        labels = tuple(dict.fromkeys(([name] if name else []) + list(emoji.labels)))
        if name or emoji.category in _THINGS | _FACES:
            found.append(Subject(code=emoji.code, category=emoji.category, labels=labels, in_world=name is not None))
    return tuple(found)


def is_held_out(subject: Subject, recipe: AlignmentRecipe) -> bool:
    """Whether the emoji is held out to measure retrieval; a stable share of the rest of the emoji."""
    value = int.from_bytes(hashlib.sha256(f"{recipe.seed}:{subject.code}".encode()).digest()[:4])
    return not subject.in_world and value / 2**32 < recipe.held_out_share


def takes_part(place: int, recipe: AlignmentRecipe) -> bool:
    """Whether subject number `place` is trained on."""
    return place % recipe.every == 0 and not is_held_out(subjects()[place], recipe)


def sentences(subject: Subject, recipe: AlignmentRecipe) -> list[str]:
    """Return every label in every template."""
    return [
        template.format(bare=label, article=with_article(label))
        for label in subject.labels[:3]
        for template in recipe.templates
    ]


def single_pictures(recipe: AlignmentRecipe, *, held_out: bool) -> list[Picture]:
    """Return one picture of each subject in each style: the held-out subjects, or all others."""
    return [
        _single(place, style, np.random.default_rng([recipe.seed, 0, place, number]))
        for place, subject in enumerate(subjects())
        for number, style in enumerate(recipe.styles)
        if place % recipe.every == 0 and is_held_out(subject, recipe) == held_out
    ]


def composed_pictures(recipe: AlignmentRecipe) -> Iterator[Picture]:
    """Yield pictures of several different subjects, at most one of them a concept of the benchmark."""
    usable = [place for place in range(len(subjects())) if takes_part(place, recipe)]
    world = [place for place in usable if subjects()[place].in_world]
    others = [place for place in usable if not subjects()[place].in_world and subjects()[place].category in _THINGS]
    least, most = recipe.composed_sprites
    for number in range(recipe.composed):
        rng = np.random.default_rng([recipe.seed, 1, number])
        count = int(rng.integers(least, most + 1))
        shown = [int(i) for i in rng.choice(others, count, replace=False)]
        if rng.random() < recipe.world_share:
            shown[0] = int(rng.choice(world))
        yield Picture(
            style=recipe.styles[number % len(recipe.styles)],
            background=any_light_background(rng),
            shown=tuple(shown),
            boxes=tuple(place_things(count, PICTURE_PX, rng)),
        )


def draw(picture: Picture) -> Image:
    """Return the picture, RGB, 224 x 224."""
    from ablative.trainables.benchmark.draw import paint

    canvas = paint(picture.background, PICTURE_PX)
    for place, (x1, y1, x2, _) in zip(picture.shown, picture.boxes, strict=True):
        art = sprite(subjects()[place].code, picture.style, x2 - x1)
        canvas.paste(art, (x1, y1), art)
    return canvas


def _single(place: int, style: str, rng: np.random.Generator) -> Picture:
    low, high = np.log(_SINGLE_PX)
    side = int(np.exp(rng.uniform(low, high)))
    x, y = (int(value) for value in rng.integers(0, PICTURE_PX - side + 1, 2))
    box = (x, y, x + side, y + side)
    return Picture(style=style, background=any_light_background(rng), shown=(place,), boxes=(box,))


def any_light_background(rng: np.random.Generator) -> Background:
    """Any pattern in any two light colours; plain and graded ones twice as often as the others."""
    weights = np.array([2, 2, 2, 1, 1, 1]) / 9
    first = rng.integers(150, 256, 3)
    second = np.clip(first + rng.integers(-30, 31, 3), 0, 255)
    colours = tuple("#" + "".join(f"{int(value):02x}" for value in colour) for colour in (first, second))
    return Background(
        pattern=_PATTERNS[int(rng.choice(len(_PATTERNS), p=weights))],  # type: ignore[arg-type]
        colours=(colours[0], colours[1]),
        period_px=int(rng.integers(10, 29)),
    )
