"""Boxes of an image: from the metadata file beside it, in the form that VCR gives them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trainables.data.pictures import Pictures
from trainables.errors import MissingData
from trainables.errors import UnreadableData

Boxes = tuple[tuple[float, float, float, float], ...]
_SLACK = 1.0
"""Pixels by which a box may lie outside its image: the published ones are rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What an image's metadata file says of it."""

    boxes: Boxes
    width: float | None = None
    """Pixels; None where the file does not say."""
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
    """Return image -> boxes for those of `images` that have a file `<stem>.json` beside them."""
    pictures = Pictures(folder)
    found: dict[str, Boxes] = {}
    for image in dict.fromkeys(images):
        metadata = read_metadata(pictures, image)
        if metadata is not None:
            found[image] = metadata.boxes
    return found


def read_metadata(pictures: Pictures, image: str) -> Metadata | None:
    """Return what the file `<stem>.json` beside an image says, None without one. Raises `UnreadableData`."""
    name = str(Path(image).with_suffix(".json"))
    try:
        text = pictures.read(name)
    except MissingData:
        return None
    return _parsed(pictures.folder / name, text)


def _parsed(path: Path, text: bytes) -> Metadata:
    try:
        content = json.loads(text)
        boxes = tuple((float(row[0]), float(row[1]), float(row[2]), float(row[3])) for row in content["boxes"])
        return Metadata(boxes=boxes, width=content.get("width"), height=content.get("height"))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UnreadableData(
            f"{path}: boxes: cannot be read ({type(error).__name__}: {error}); expected a JSON object with `boxes`, "
            "rows of x1, y1, x2, y2, score. Get the file again, or remove it to cut the image into a grid."
        ) from error
