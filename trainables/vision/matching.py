"""Which image an entry of a feature file belongs to, and which region belongs to an object of the image."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_NUMBER = re.compile(r"(\d+)\D*$")


def by_object(boxes_N4: np.ndarray, objects_O4: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of regions that puts region i, which overlaps object i most, at i, and the overlaps (O,).

    After the O regions of the objects (one may serve several) come the regions without an object. Overlap is
    intersection over union.
    """
    low = np.maximum(objects_O4[:, None, :2], boxes_N4[None, :, :2])
    high = np.minimum(objects_O4[:, None, 2:], boxes_N4[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1) for boxes in (objects_O4, boxes_N4)]
    overlap = shared / (areas[0][:, None] + areas[1][None, :] - shared).clip(1e-9)
    best = overlap.argmax(axis=1)
    rest = [place for place in range(len(boxes_N4)) if place not in set(best.tolist())]
    return np.concatenate([best, np.array(rest, dtype=best.dtype)]), overlap.max(axis=1)


class ImageFinder:
    """From a feature file's key to the data set's image."""

    def __init__(self, images: Sequence[str], names: dict[str, str], *, by_number: bool) -> None:
        """`by_number`: an image is known by the number at the end of its name."""
        self._names = names
        self._known = set(images)
        self._stems = _unique((Path(image).stem.lower(), image) for image in images)
        numbers = ((_NUMBER.search(Path(image).stem), image) for image in images)
        self._numbers = _unique((str(int(found[1])), image) for found, image in numbers if found and by_number)

    def image(self, key: str) -> str | None:
        """Return the image that `key` stands for; None if the data set has no such image."""
        if key in self._names:
            return self._names[key] if self._names[key] in self._known else None
        if key in self._known:
            return key
        stem = Path(key).stem.lower() if "." in key else key.lower()
        number = _NUMBER.search(stem)
        return self._stems.get(stem) or (self._numbers.get(str(int(number[1]))) if number else None)


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the pairs whose key occurs once."""
    found: dict[str, str | None] = {}
    for key, image in pairs:
        found[key] = image if found.get(key, image) == image else None
    return {key: image for key, image in found.items() if image is not None}
