"""Better, or better tuned? The expected result of a search with fewer settings."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np


def expected_best(
    values: np.ndarray, budgets: np.ndarray, mode: Literal["max", "min"] = "max", *, replacement: bool = False
) -> np.ndarray:
    """Expected best of k settings, for each k in `budgets`, from the `values` (n,) of n settings drawn at random.

    With the values sorted upwards, sum over i of v_(i) P(the best of k is v_(i)). Without replacement, for k <= n, the
    probability is C(i - 1, k - 1) / C(n, k): unbiased for the expected best of k new settings (Dodge et al. 2021).
    With replacement it is (i / n)^k - ((i - 1) / n)^k: the plug-in form of Dodge et al. 2019, which is biased low. NaN
    for k > n without replacement.
    """
    sign = 1.0 if mode == "max" else -1.0
    ordered = np.sort(sign * np.asarray(values, dtype=np.float64))
    weigh = _with_replacement if replacement else _without_replacement
    return sign * np.array([weigh(ordered.size, int(k)) @ ordered for k in budgets])


def _with_replacement(n: int, k: int) -> np.ndarray:
    return np.diff((np.arange(n + 1) / n) ** k)


def _without_replacement(n: int, k: int) -> np.ndarray:
    if k > n:
        return np.full(n, np.nan)
    ranks = np.arange(1, n + 1)
    possible = ranks >= k
    weights = np.zeros(n)
    weights[possible] = np.exp(_log_choose(ranks[possible] - 1, k - 1) - _log_choose(np.array(n), k))
    return weights


def _log_choose(n: np.ndarray, k: int) -> np.ndarray:
    logs = np.array([math.lgamma(count + 1) for count in range(int(n.max(initial=k)) + 1)])  # logarithms of factorials
    return logs[n] - logs[k] - logs[n - k]
