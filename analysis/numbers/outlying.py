"""Is one of a few paired differences far from all others?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

DRAWS = 50_000
FEWEST = 5


def outlying(values: Sequence[float]) -> tuple[float, int] | None:
    """P-value of the value furthest from the median, if all are normal, and its place; None with fewer than five.

    The statistic is its distance in median absolute deviations, which one far value hardly moves; its distribution for
    normal values follows from their number alone, and is drawn with a fixed seed: (1 + hits) / (1 + draws). None where
    more than half are equal.
    """
    if len(values) < FEWEST:
        return None
    found = np.asarray(values, np.float64)
    apart = np.abs(found - np.median(found))
    scale = float(np.median(apart))
    if scale == 0:
        return None
    place = int(apart.argmax())
    hits = np.count_nonzero(_drawn(len(values)) >= apart[place] / scale)
    return float((1 + hits) / (1 + DRAWS)), place


@cache
def _drawn(size: int) -> np.ndarray:
    draws = np.random.default_rng(size).normal(size=(DRAWS, size))
    apart = np.abs(draws - np.median(draws, axis=1, keepdims=True))
    return np.asarray(apart.max(axis=1) / np.median(apart, axis=1))
