"""Do a few values fall into two groups, for instance because some runs collapse and the others do not?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

DRAWS = 50_000
FEWEST = 4


def two_groups(values: Sequence[float]) -> tuple[float, int] | None:
    """P-value of one normal group, and the size of the lower of two groups; None with fewer than four values.

    The statistic is the share of the sum of squares that the best cut of the ordered values explains (the criterion of
    Edwards and Cavalli-Sforza 1965). For normal values its distribution depends on their number alone, and is drawn
    with a fixed seed: (1 + hits) / (1 + draws). One value far from all others also counts as a group.
    """
    if len(values) < FEWEST:
        return None
    ordered = np.sort(np.asarray(values, np.float64))
    if ordered[0] == ordered[-1]:
        return None
    shares = _explained(ordered[None])[0]
    hits = np.count_nonzero(_drawn(len(values)) >= shares.max() - 1e-12)
    return float((1 + hits) / (1 + DRAWS)), int(shares.argmax()) + 1


def _explained(ordered: np.ndarray) -> np.ndarray:
    """Share of the squares between the groups, by the size of the lower one: shape (samples, values - 1)."""
    size = ordered.shape[1]
    centred = ordered - ordered.mean(axis=1, keepdims=True)
    lower, below = np.cumsum(centred, axis=1)[:, :-1], np.arange(1, size)
    return np.asarray(lower**2 * size / (below * (size - below)) / (centred**2).sum(axis=1, keepdims=True))


@cache
def _drawn(size: int) -> np.ndarray:
    draws = np.sort(np.random.default_rng(size).normal(size=(DRAWS, size)), axis=1)
    return _explained(draws).max(axis=1)
