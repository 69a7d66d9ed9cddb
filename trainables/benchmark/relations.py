"""The position of one box relative to another, stated only when it is clear."""

from __future__ import annotations

from typing import Literal

Box = tuple[int, int, int, int]
"""(x1, y1, x2, y2) in pixels."""
Relation = Literal["left of", "right of", "above", "below"]

RELATIONS: tuple[Relation, ...] = ("left of", "right of", "above", "below")
OPPOSITE: dict[Relation, Relation] = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
}
_LEAST_OFFSET_PX = 30
_DOMINANCE = 1.3
"""The larger offset is at least this many times the smaller one."""


def centre(box: Box) -> tuple[float, float]:
    """Return the centre (x, y) of `box`."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def relation(first: Box, second: Box) -> Relation | None:
    """Return how `first` stands to `second`; None if two answers could be defended."""
    (x1, y1), (x2, y2) = centre(first), centre(second)
    dx, dy = x1 - x2, y1 - y2
    if abs(dx) >= max(_LEAST_OFFSET_PX, _DOMINANCE * abs(dy)):
        return "left of" if dx < 0 else "right of"
    if abs(dy) >= max(_LEAST_OFFSET_PX, _DOMINANCE * abs(dx)):
        return "above" if dy < 0 else "below"
    return None


def leans(first: Box, second: Box, side: Relation) -> bool:
    """Return whether `first` lies on that side of `second`, even slightly: the generous reading."""
    (x1, y1), (x2, y2) = centre(first), centre(second)
    offset = {"left of": x2 - x1, "right of": x1 - x2, "above": y2 - y1, "below": y1 - y2}[side]
    return offset > 4


def distance(first: Box, second: Box) -> float:
    """Return the distance of the centres in pixels."""
    (x1, y1), (x2, y2) = centre(first), centre(second)
    return float(((x1 - x2) ** 2 + (y1 - y2) ** 2) ** 0.5)


def gap(first: Box, second: Box) -> int:
    """Return the free pixels between two boxes (negative if they overlap)."""
    across = max(first[0], second[0]) - min(first[2], second[2])
    down = max(first[1], second[1]) - min(first[3], second[3])
    return max(across, down)
