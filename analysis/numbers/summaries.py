"""One number for many: what a typical run reached. Each takes an axis, so a bootstrap can apply it to resamples.

Source of the choice: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice".
"""

from __future__ import annotations

import numpy as np

_TRIMMED = 0.25  # share of the values, at each end


def mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """What does a run reach on average? Sum over n; one odd run can move it arbitrarily far."""
    return np.mean(values, axis=axis)


def median(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """What do half of the runs reach? The middle value; for an even number, the mean of the middle two."""
    return np.median(values, axis=axis)


def interquartile_mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """What do the middle runs reach? The mean without the lowest and highest floor(n / 4) values each.

    `scipy.stats.trim_mean(values, 0.25)`, as in rliable. If n is not divisible by 4, fewer than a quarter are left out
    at each end, and no value counts in part. Up to 3 values it is the mean; for 6 it is that of the middle 4.
    """
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(values, _TRIMMED, axis=axis))
