"""Boxes relative to their image, and the mean of a feature map over each. R regions, F features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GRID = 4
MAX_REGIONS = 36

Box = tuple[float, float, float, float]


def relative_boxes(boxes: Sequence[Box], width: int, height: int) -> np.ndarray:
    """(R, 4) boxes relative to the image, the whole image first, a grid where there are none."""
    whole = np.array([[0.0, 0.0, 1.0, 1.0]])
    if boxes:
        parts = np.asarray(boxes[: MAX_REGIONS - 1], dtype=float) / [width, height, width, height]
    else:
        parts = grid_cells(GRID)
    return np.concatenate([whole, parts.clip(0, 1)])


def grid_cells(side: int) -> np.ndarray:
    """(side * side, 4) cells of an image that is cut into `side` rows and columns, row by row."""
    y, x = np.divmod(np.arange(side * side), side)
    return np.stack([x, y, x + 1, y + 1], axis=1) / side


def positions(boxes_R4: np.ndarray) -> np.ndarray:
    """(R, 7): corners, width, height, area, relative to the image (UNITER)."""
    sizes = boxes_R4[:, 2:] - boxes_R4[:, :2]
    return np.concatenate([boxes_R4, sizes, sizes.prod(axis=1, keepdims=True)], axis=1)


def pooled(map_FHW: np.ndarray, boxes_R4: np.ndarray) -> np.ndarray:
    """(R, F) mean of the map over each box, cells weighted by the area they share with it."""
    height, width = map_FHW.shape[1:]
    rows = _overlap(boxes_R4[:, 1] * height, boxes_R4[:, 3] * height, height)
    columns = _overlap(boxes_R4[:, 0] * width, boxes_R4[:, 2] * width, width)
    weights = rows[:, :, None] * columns[:, None, :]
    weights /= weights.sum(axis=(1, 2), keepdims=True).clip(1e-6)
    return np.tensordot(weights, map_FHW, axes=([1, 2], [1, 2]))


def _overlap(low: np.ndarray, high: np.ndarray, count: int) -> np.ndarray:
    """(R, count) length that [low, high) shares with each unit cell; at least a sliver, so that none is empty."""
    cells = np.arange(count)
    high = np.maximum(high, low + 1e-3)
    shared: np.ndarray = np.minimum(high[:, None], cells + 1) - np.maximum(low[:, None], cells)
    return shared.clip(0)
