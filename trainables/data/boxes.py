"""Boxes of an image: from the metadata file beside it, in the form that VCR gives them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from trainables.errors import UnreadableData

Boxes = tuple[tuple[float, float, float, float], ...]


def read_boxes(folder: Path, images: Iterable[str]) -> dict[str, Boxes]:
    """Return image -> boxes for those of `images` that have a file `<stem>.json` beside them."""
    found: dict[str, Boxes] = {}
    for image in dict.fromkeys(images):
        path = (folder / image).with_suffix(".json")
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        found[image] = _parsed(path, text)
    return found


def _parsed(path: Path, text: str) -> Boxes:
    try:
        rows = json.loads(text)["boxes"]
        return tuple((float(row[0]), float(row[1]), float(row[2]), float(row[3])) for row in rows)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UnreadableData(
            f"{path}: boxes: cannot be read ({type(error).__name__}: {error}); expected a JSON object with `boxes`, "
            "rows of x1, y1, x2, y2, score. Get the file again, or remove it to cut the image into a grid."
        ) from error
