"""Boxes of an image, from the metadata file beside it, in VCR's form."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablative.trainables.data.pictures import Pictures
from ablative.trainables.data.reading import listed
from ablative.trainables.errors import MissingData
from ablative.trainables.strangers import parsing

Boxes = tuple[tuple[float, float, float, float], ...]
_SLACK = 1.0
"""Pixels by which a box may lie outside its image, because the published ones are rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The contents of an image's metadata file."""

    boxes: Boxes
    width: float | None = None
    """Pixels; None if the file does not give them."""
    height: float | None = None

    def outside(self) -> list[int]:
        """Return the numbers of the boxes that are empty or lie outside the image."""
        right, bottom = self.width or float("inf"), self.height or float("inf")
        return [
            number
            for number, (x1, y1, x2, y2) in enumerate(self.boxes)
            if not (x1 < x2 and y1 < y2 and min(x1, y1) >= -_SLACK and x2 <= right + _SLACK and y2 <= bottom + _SLACK)
        ]


def read_boxes(folder: Path, images: Iterable[str]) -> dict[str, Boxes]:
    """Return image -> boxes for those of `images` with a file `<stem>.json` beside them."""
    pictures = Pictures(folder)
    found: dict[str, Boxes] = {}
    for image in dict.fromkeys(images):
        metadata = read_metadata(pictures, image)
        if metadata is not None:
            found[image] = metadata.boxes
    return found


def metadata_name(image: str) -> str:
    """Return the name of the metadata file beside an image."""
    return f"{os.path.splitext(image)[0]}.json"  # takes a second for a million of them; `pathlib` takes five


def read_metadata(pictures: Pictures, image: str) -> Metadata | None:
    """Return the contents of the file `<stem>.json` beside an image; None without one. Raises `UnreadableData`."""
    name = metadata_name(image)
    remedy = (
        "expected a JSON object with `boxes`, rows of x1, y1, x2, y2, score. Get the file again, or remove it to cut "
        "the image into a grid."
    )
    try:
        with parsing(f"{pictures.folder / name}: boxes", remedy):
            return _metadata(json.loads(pictures.read(name).decode("utf-8-sig")))
    except MissingData:
        return None


def _metadata(content: dict[str, Any]) -> Metadata:
    width, height = (_pixels(content, side) for side in ("width", "height"))
    return Metadata(boxes=tuple(map(_box, listed(content["boxes"], "boxes"))), width=width, height=height)


def _box(row: Any) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in listed(row, "a box")[:4])
    if any(map(math.isnan, (x1, y1, x2, y2))):
        raise ValueError(f"a box is {row[:4]}, expected numbers")
    return x1, y1, x2, y2


def _pixels(content: dict[str, Any], side: str) -> float | None:
    """Return the length of a side; None if the file does not give it."""
    said = float(content.get(side) or 0)
    if not 0 <= said < math.inf:
        raise ValueError(f"{side} is {said}, expected pixels")
    return said or None
