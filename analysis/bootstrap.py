"""Bootstrap intervals: how would a number have come out with other seeds? Functions of numbers and a generator.

Values come as strata, one array a task: seeds are drawn with replacement inside each task, never a task (Agarwal et
al. 2021, as in rliable, whose score matrix of runs x tasks is the case of strata of one size).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from collections.abc import Sequence
from typing import Literal

import numpy as np

Method = Literal["percentile", "bca"]
Strata = Sequence[np.ndarray]
"""One array of values a task, or a task and side, each of shape (seeds,)."""
Statistic = Callable[..., np.ndarray]
"""Takes the strata as arrays of shape (..., seeds) and `axis`, and returns an array of shape (...)."""

RESAMPLES = 2_000
FEW = 20
"""Below so many values a bootstrap interval is too narrow to be taken at its word (docs/statistics.md has numbers)."""


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
) -> tuple[float, float] | None:
    """Interval of `statistic` under draws of seeds with replacement, inside each stratum.

    `percentile`: the quantiles of what the resamples give (Efron 1979). `bca`: the same at levels shifted for bias and
    skewness (Efron 1987). Both by `scipy.stats.bootstrap`. None where a stratum has fewer than two values, and for
    `bca` where nothing varies, so that its levels are undefined.
    """
    from scipy import stats

    if not strata or min(len(values) for values in strata) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # 0 / 0 in the acceleration of constant values
        found = stats.bootstrap(
            tuple(strata),
            statistic,
            vectorized=True,
            method="BCa" if method == "bca" else "percentile",
            confidence_level=confidence,
            n_resamples=resamples,
            rng=rng,
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    return (low, high) if np.isfinite(low) and np.isfinite(high) else None
