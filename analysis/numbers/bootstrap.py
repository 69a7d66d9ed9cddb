"""Bootstrap intervals: how would a number vary with other seeds? Functions of numbers and a generator.

Values come as strata, one array per task. Seeds are drawn with replacement inside each task; tasks are never drawn
(Agarwal et al. 2021, as in rliable, whose score matrix of runs x tasks is the case of strata of one size).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np

from ablative.analysis.numbers.shapes import Strata
from ablative.analysis.numbers.shapes import of_one_shape

Method = Literal["percentile", "bca"]
Statistic = Callable[..., np.ndarray]
"""Takes the strata as arrays of shape (..., seeds) and `axis`, and returns an array of shape (...)."""
Interval = tuple[float, float]

RESAMPLES = 2_000
FEW = 20
"""With fewer values, a bootstrap interval is too narrow to trust (docs/statistics.md has numbers)."""

_AT_ONCE = 250_000  # numbers resampled at a time


def over_all(summary: Callable[[np.ndarray, int], np.ndarray]) -> Statistic:
    """Return the statistic that applies `summary` to the values of all strata together."""
    return lambda *strata, axis=-1: summary(np.concatenate(strata, axis=axis), axis)


def bootstrap_interval(
    strata: Strata,
    statistic: Statistic,
    rng: np.random.Generator,
    *,
    method: Method,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """Interval of `statistic` under draws of seeds with replacement, inside each stratum.

    `percentile`: the quantiles of the statistic over resamples (Efron 1979). `bca`: the same at levels shifted for
    bias and skewness (Efron 1987). Both by `scipy.stats.bootstrap`. None if a stratum has fewer than two values; with
    `bca` also if nothing varies, because its levels are then undefined.
    """
    return bootstrap_intervals(
        [strata], statistic, lambda: rng, method=method, confidence=confidence, resamples=resamples
    )[0]


def bootstrap_intervals(
    samples: Sequence[Strata],
    statistic: Statistic,
    generator: Callable[[], np.random.Generator],
    *,
    method: Method,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> list[Interval | None]:
    """Return `bootstrap_interval` of each sample, each with a new `generator()`.

    So samples of one shape draw the same positions, and are resampled together.
    """
    found: list[Interval | None] = [None] * len(samples)
    for positions, rows in of_one_shape(samples):
        sizes = [values.shape[-1] for values in rows]
        if min(sizes) < 2:
            continue
        step = max(1, _AT_ONCE // (resamples * sum(sizes)))
        for start in range(0, len(positions), step):
            some = [values[start : start + step] for values in rows]
            intervals = place_intervals(
                sizes,
                partial(_at_places, statistic, some),
                generator(),
                method=method,
                confidence=confidence,
                resamples=resamples,
            )
            for position, interval in zip(positions[start : start + step], intervals, strict=True):
                found[position] = interval
    return found


def place_intervals(
    sizes: Sequence[int],
    statistic: Statistic,
    rng: np.random.Generator,
    *,
    method: Method,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> Iterator[Interval | None]:
    """Intervals of samples whose strata have `sizes`.

    `statistic` takes drawn positions, one array per stratum of shape (..., seeds), and returns shape (samples, ...).
    """
    from scipy import stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # constant values give 0 / 0 in the acceleration
        found = stats.bootstrap(
            tuple(np.arange(size) for size in sizes),
            statistic,
            vectorized=True,
            method="BCa" if method == "bca" else "percentile",
            confidence_level=confidence,
            n_resamples=resamples,
            rng=rng,
        ).confidence_interval
    for low, high in zip(found.low.tolist(), found.high.tolist(), strict=True):
        yield (low, high) if np.isfinite(low) and np.isfinite(high) else None


def _at_places(statistic: Statistic, rows: Sequence[np.ndarray], *places: np.ndarray, axis: int = -1) -> np.ndarray:
    return statistic(*(np.take(values, drawn, axis=-1) for values, drawn in zip(rows, places, strict=True)), axis=axis)
