"""Intervals dual to the sign-flip test: the differences that it would not reject."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ablative.analysis.numbers.shapes import of_one_shape
from ablative.analysis.numbers.statistics import DRAWS
from ablative.analysis.numbers.statistics import EXACT_LIMIT

Ends = tuple[float, float]
_AT_ONCE = 2_000_000  # patterns times samples in memory together
_KEPT_LIMIT = 16  # differences whose patterns, 4 MB at most, stay in memory: making them takes half of the time


def flip_intervals(
    samples: Sequence[Sequence[float]],
    alphas: Sequence[float],
    generator: Callable[[], np.random.Generator],
    weights: Sequence[Sequence[float]] | None = None,
) -> list[Ends | None]:
    """Return for each sample the means that the two-sided sign-flip test does not reject at its alpha.

    A pattern flips the signs of a set of differences. It counts against the mean m on the lower side if the mean of
    that set, or of the other differences, is at most m. So the ends are order statistics of such means (Hartigan
    1969). Up to `EXACT_LIMIT` differences all patterns count; beyond, patterns drawn from a new `generator()`. None if
    so few differences could reject no value.

    `weights`: above 0, of each difference. The samples are then differences times their weights, as the test flips
    them, and means of sets are weighted means.
    """
    found: list[Ends | None] = [None] * len(samples)
    given = [samples] if weights is None else [samples, weights]
    arrays = [tuple(np.asarray(own, dtype=np.float64) for own in of_one) for of_one in zip(*given, strict=True)]
    for positions, (values, *counts) in of_one_shape(arrays):
        size = values.shape[1]
        exact = size <= EXACT_LIMIT
        total = 2 ** (size - 1) if exact else 1 + DRAWS
        step = max(1, _AT_ONCE // total)
        for start in range(0, len(positions), step):
            some = positions[start : start + step]
            these = [of_all[start : start + step] for of_all in (values, *counts)]
            lower, upper = _means(exact, generator, *these)
            for row, position in enumerate(some):
                # The observed pattern always counts; this many others may count before the mean is rejected.
                others = math.floor(alphas[position] * total * (1 + 1e-12)) - 1
                if 0 <= others < lower.shape[1]:
                    low = np.partition(lower[row], others)[others]
                    high = -np.partition(-upper[row], others)[others]
                    found[position] = (float(low), float(high))
    return found


def _means(
    exact: bool, generator: Callable[[], np.random.Generator], values: np.ndarray, counts: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """For each pattern but the observed one: the lesser and the greater mean of its two sets; (samples, patterns)."""
    size = values.shape[1]
    if exact:
        signs = _kept_patterns(size) if size <= _KEPT_LIMIT else _every_pattern(size)
    else:
        signs = generator().integers(0, 2, (size, DRAWS)) * 2.0 - 1.0
    sums, kept = values @ signs, signs.sum(axis=0)
    total = values.sum(axis=1, keepdims=True)
    counted, of_all = (kept, size) if counts is None else (counts @ signs, counts.sum(axis=1, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        turned = np.where(kept < size, (total - sums) / (of_all - counted), np.nan)
        others = np.where(kept > -size, (total + sums) / (of_all + counted), np.nan)
    whole = (kept == size) | (kept == -size)  # drawn: counts on both sides, like the observed pattern
    lower = np.where(whole, -np.inf, np.fmin(turned, others))
    return lower, np.where(whole, np.inf, np.fmax(turned, others))


def _every_pattern(size: int) -> np.ndarray:
    """Return the signs of each pattern but the observed one, shape (size, patterns); the first is never flipped."""
    signs = 1.0 - 2.0 * (np.arange(1, 2 ** (size - 1)) >> np.arange(size - 1)[:, None] & 1)
    return np.concatenate([np.ones((1, signs.shape[1])), signs])


_kept_patterns = lru_cache(maxsize=8)(_every_pattern)
