"""Places of things: jittered positions without overlap, by rejection."""

from __future__ import annotations

import numpy as np

from ablative.trainables.benchmark.relations import Box
from ablative.trainables.benchmark.relations import distance
from ablative.trainables.benchmark.relations import gap

_THING_SIZES_PX = (56, 64, 72, 80, 88)
_CROWDED_SIZES_PX = (56, 64)
_PERSON_SIZES_PX = (56, 64)
_HELD_SIZES_PX = (48, 56)
_GAP_PX = 4
_PAIR_GAP_PX = 10
_CLOSEST_MARGIN = 1.35
"""A person's own thing is nearer than any other by at least this factor, and vice versa."""


def place_things(count: int, picture_px: int, rng: np.random.Generator) -> list[Box]:
    """Return `count` square boxes without overlap."""
    sizes: tuple[int, ...] = _THING_SIZES_PX
    for attempt in range(1000):
        if attempt == 20:
            sizes = _CROWDED_SIZES_PX
        boxes: list[Box] = []
        for _ in range(count):
            side = int(rng.choice(sizes))
            box = _free_place(side, side, boxes, picture_px, _GAP_PX, rng)
            if box is None:
                break
            boxes.append(box)
        if len(boxes) == count:
            return boxes
    raise AssertionError(f"no room for {count} things in {picture_px} px")


def place_people(count: int, picture_px: int, rng: np.random.Generator) -> list[Box]:
    """Return boxes of person, thing, person, thing, ...; each thing is clearly nearest to its own person."""
    for _ in range(5000):
        boxes = _pairs(count, picture_px, rng)
        if boxes and _clear(boxes):
            return boxes
    raise AssertionError(f"no room for {count} pairs in {picture_px} px")


def _free_place(
    width: int, height: int, taken: list[Box], picture_px: int, least_gap: int, rng: np.random.Generator
) -> Box | None:
    for _ in range(30):
        x = int(rng.integers(2, picture_px - width - 1))
        y = int(rng.integers(2, picture_px - height - 1))
        box = (x, y, x + width, y + height)
        if all(gap(box, other) >= least_gap for other in taken):
            return box
    return None


def _pairs(count: int, picture_px: int, rng: np.random.Generator) -> list[Box]:
    boxes: list[Box] = []
    frames: list[Box] = []
    for _ in range(count):
        person, thing = int(rng.choice(_PERSON_SIZES_PX)), int(rng.choice(_HELD_SIZES_PX))
        flat = rng.random() < 0.5
        long, short = person + thing + _GAP_PX, max(person, thing)
        frame = _free_place(*((long, short) if flat else (short, long)), frames, picture_px, _PAIR_GAP_PX, rng)
        if frame is None:
            return []
        frames.append(frame)
        boxes += _in_frame(frame, person, thing, flat, rng)
    return boxes


def _in_frame(frame: Box, person: int, thing: int, flat: bool, rng: np.random.Generator) -> list[Box]:
    """Return the person's and the thing's box at the two ends of a frame, in either order."""
    x1, y1, x2, y2 = frame
    boxes: list[Box] = []
    person_first = rng.random() < 0.5
    for side, first in ((person, person_first), (thing, not person_first)):
        slack = int(rng.integers(0, (y2 - y1 if flat else x2 - x1) - side + 1))
        x = (x1 if first else x2 - side) if flat else x1 + slack
        y = y1 + slack if flat else (y1 if first else y2 - side)
        boxes.append((x, y, x + side, y + side))
    return boxes


def _clear(boxes: list[Box]) -> bool:
    people, things = boxes[0::2], boxes[1::2]
    for i, (person, thing) in enumerate(zip(people, things, strict=True)):
        own = distance(person, thing) * _CLOSEST_MARGIN
        others = [distance(person, other) for j, other in enumerate(things) if j != i]
        others += [distance(thing, other) for j, other in enumerate(people) if j != i]
        if min(others) < own:
            return False
    return True
