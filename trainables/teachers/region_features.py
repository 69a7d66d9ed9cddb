"""What a teacher says of regions: the mean of its patches' features over each box (docs/method.md, "Tokens").

A teacher need not see the whole picture: CLIP's centre crop cuts its sides off. So boxes are placed in the window that
it sees, and a region outside of it has no feature. Dimensions: P patches, R regions, D joint width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.vision.pooling import pooled

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST_SEEN = 0.25
"""Share of a region's area that a teacher must see to have a feature of it."""
Window = tuple[float, float, float, float]
"""Rectangle x1, y1, x2, y2, relative to the picture; it may reach beyond."""


def whole_picture(size: tuple[int, int]) -> Window:
    """Return the window of a teacher that sees every picture whole, whatever its shape."""
    return 0.0, 0.0, 1.0, 1.0


def centre_crop(size: tuple[int, int]) -> Window:
    """Return the window of a teacher that cuts a square out of the middle: `size` is width and height."""
    return _square(size, min(size))


def padded(size: tuple[int, int]) -> Window:
    """Return the window of a teacher that pads a picture to a square."""
    return _square(size, max(size))


def _square(size: tuple[int, int], side: int) -> Window:
    (x, width), (y, height) = (((1 - side / length) / 2, side / length) for length in size)
    return x, y, x + width, y + height


def of_regions(teacher: Any, pictures: Sequence[Image], boxes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return one (R, D) array a picture, of relative boxes (R, 4): unit rows, zeros for what the teacher cannot see.

    Raises TeacherError where the patches do not form a square grid.
    """
    window_of = getattr(teacher, "window", whole_picture)
    patches = teacher.encode_patches(pictures)
    windows = [window_of(picture.size) for picture in pictures]
    return [
        pooled_regions(rows_PD.numpy(), found, window)
        for rows_PD, found, window in zip(patches, boxes, windows, strict=True)
    ]


def pooled_regions(patches_PD: np.ndarray, boxes_R4: np.ndarray, window: Window) -> np.ndarray:
    """Return (R, D) unit means over boxes, patches weighted by the area they share with it; zeros outside the window.

    `window`: the rectangle (x1, y1, x2, y2), relative to the picture, that the square grid of patches covers.
    """
    side = math.isqrt(len(patches_PD))
    if side * side != len(patches_PD):
        raise TeacherError(f"{len(patches_PD)} patches are no square grid, so that no region can be found in them")
    low, size = np.array(window[:2] * 2), np.array([window[2] - window[0], window[3] - window[1]] * 2)
    placed_R4 = ((boxes_R4 - low) / size).clip(0, 1)
    seen_R = _area(placed_R4) * size[0] * size[1] >= LEAST_SEEN * _area(boxes_R4).clip(1e-9)
    means_RD = pooled(patches_PD.T.reshape(-1, side, side), placed_R4)
    lengths_R1 = np.linalg.norm(means_RD, axis=1, keepdims=True)
    unit: np.ndarray = np.where(seen_R[:, None], means_RD / lengths_R1.clip(1e-12), 0.0).astype(np.float32)
    return unit


def _area(boxes_R4: np.ndarray) -> np.ndarray:
    sizes_R2 = (boxes_R4[:, 2:] - boxes_R4[:, :2]).clip(0)
    area_R: np.ndarray = sizes_R2.prod(axis=1)
    return area_R
