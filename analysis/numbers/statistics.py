"""Intervals, exact tests and corrections for few paired values. Functions of numbers only.

Nothing here knows about studies. Every function that draws takes its generator as an argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence
from functools import cache

import numpy as np

from ablative.search_spaces.spending import Method
from ablative.search_spaces.ties import RELATIVE_TIE

EXACT_LIMIT = 20
"""Up to this many pairs, every sign pattern is counted; beyond, patterns are drawn."""

DRAWS = 100_000
"""Sign patterns drawn beyond `EXACT_LIMIT`."""

_DRAWS_AT_ONCE = 10_000
_ALL_AT_ONCE = 10  # up to this many differences, the sums of all patterns are kept in memory


def t_interval(
    values: Sequence[float], confidence: float = 0.95, weights: Sequence[float] = ()
) -> tuple[float, float] | None:
    """Interval of the mean under Student's t with n - 1 degrees of freedom; None for fewer than two values.

    `weights`: of a weighted mean, as `mean_and_variance` takes them.
    """
    n = len(values)
    if n < 2:
        return None
    mean, variance = mean_and_variance(values, weights)
    half = _t_quantile(n - 1, 0.5 + confidence / 2) * math.sqrt(variance)
    return mean - half, mean + half


def mean_and_variance(values: Sequence[float], weights: Sequence[float] = ()) -> tuple[float, float]:
    """Return the mean of at least two values and the variance of that mean.

    With weights w: sum of w x by sum of w, and n / (n - 1) times the sum of (w (x - mean))^2 by (sum of w)^2.
    """
    n = len(values)
    given, whole = weights or (1.0,) * n, math.fsum(weights or (n,))
    mean = math.fsum(weight * value for weight, value in zip(given, values, strict=True)) / whole
    squares = math.fsum((weight * (value - mean)) ** 2 for weight, value in zip(given, values, strict=True))
    return mean, squares / (n - 1) / n * (n / whole) ** 2


@cache
def _t_quantile(degrees: int, share: float) -> float:
    from scipy.special import stdtrit  # takes a second to import, and `ablate status` does not need it

    return float(stdtrit(degrees, share))


def binomial_interval(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval for a share, given `hits` among `trials`; never too narrow (Clopper and Pearson 1934)."""
    if not 0 <= hits <= trials or not trials:
        raise ValueError(f"binomial_interval: hits={hits}, trials={trials}; wanted 0 <= hits <= trials, trials > 0")
    tail = (1 - confidence) / 2
    from scipy.special import betaincinv

    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return low, high


def sign_flip_p_value(differences: Sequence[float], rng: np.random.Generator) -> float | None:
    """Two-sided p-value of the sign-flip (paired permutation) test that differences are symmetric about zero.

    The statistic is |sum of differences|. Up to `EXACT_LIMIT` differences the p-value is the exact share of all 2^n
    sign patterns that reach it; beyond, (1 + hits) / (1 + `DRAWS`) over patterns drawn from `rng`, which never
    reports zero (Phipson and Smyth 2010). None without differences.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.size == 0:
        return None
    if values.size <= EXACT_LIMIT:
        return float(exact_p_values(values[None])[0])
    return (1 + _drawn_hits(values, float(_thresholds(values)), rng)) / (1 + DRAWS)


def sign_flip_p_values(
    samples: Sequence[Sequence[float]], generator: Callable[[], np.random.Generator]
) -> list[float | None]:
    """Return `sign_flip_p_value` of each sample; each that draws gets a new `generator()`.

    Exact ones are counted together, in a tenth of the time.
    """
    found: list[float | None] = [None] * len(samples)
    together: dict[int, list[int]] = {}
    for position, sample in enumerate(samples):
        if 0 < len(sample) <= EXACT_LIMIT:
            together.setdefault(len(sample), []).append(position)
        else:
            found[position] = sign_flip_p_value(sample, generator())
    for positions in together.values():
        p_values = exact_p_values(np.array([samples[position] for position in positions], np.float64))
        for position, p_value in zip(positions, p_values, strict=True):
            found[position] = float(p_value)
    return found


def _thresholds(values: np.ndarray) -> np.ndarray:
    """Return the |sum| along the last axis that a pattern must reach, less a tolerance for rounding."""
    return np.asarray(np.abs(values.sum(axis=-1)) - RELATIVE_TIE * np.abs(values).sum(axis=-1))


def exact_p_values(values: np.ndarray) -> np.ndarray:
    """Return the sign-flip p-value of each row of `values`, shape (samples, differences), counting all patterns."""
    thresholds = _thresholds(values)
    size = values.shape[1]
    if size <= _ALL_AT_ONCE:
        return np.asarray((np.abs(_signed_sums(values)) >= thresholds[:, None]).mean(axis=1))
    first, second = _signed_sums(values[:, : size // 2]), _signed_sums(values[:, size // 2 :])
    # A pattern of the whole combines one of each half; for the second half, the first difference has both signs.
    second = np.sort(np.concatenate([second, -second], axis=1), axis=1)
    rows = zip(first, second, thresholds.tolist(), strict=True)
    return np.array([_share_reached(one, other, threshold) for one, other, threshold in rows])


def _share_reached(sums: np.ndarray, rising: np.ndarray, threshold: float) -> float:
    """The share of pairs, one of `sums` and one of `rising`, whose |sum| is at least the threshold."""
    if threshold <= 0:
        return 1.0
    above = rising.size - np.searchsorted(rising, threshold - sums, side="left")
    below = np.searchsorted(rising, -threshold - sums, side="right")
    return float((above + below).sum() / (sums.size * rising.size))


def _signed_sums(values: np.ndarray) -> np.ndarray:
    """Sums of each row under every sign pattern with the first sign fixed, shape (samples, 2^(n-1)).

    |sum| does not change under a global flip.
    """
    sums = values[:, :1]
    for position in range(1, values.shape[1]):
        value = values[:, position, None]
        sums = np.concatenate([sums + value, sums - value], axis=1)
    return sums


def _drawn_hits(values: np.ndarray, threshold: float, rng: np.random.Generator) -> int:
    hits = 0
    for _ in range(DRAWS // _DRAWS_AT_ONCE):
        signs = rng.integers(0, 2, size=(_DRAWS_AT_ONCE, values.size)) * 2.0 - 1.0
        hits += int(np.count_nonzero(np.abs(signs @ values) >= threshold))
    return hits


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979).

    With p sorted upwards, adjusted p_(i) = max over j <= i of min(1, (m - j + 1) p_(j)), j counted from 1. A None is a
    planned comparison without data: it counts in m like a p-value of 1, and stays None.
    """
    size = len(p_values)
    known = sorted((p, position) for position, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * size
    greatest = 0.0
    for rank, (p, position) in enumerate(known):
        greatest = max(greatest, min(1.0, (size - rank) * p))
        adjusted[position] = greatest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Benjamini and Hochberg's step-up adjusted p-values, in the order given (1995): false discovery rate.

    With p sorted upwards, adjusted p_(i) = min over j >= i of min(1, m p_(j) / j). A None counts as a p-value of 1 and
    stays None.
    """
    from scipy.stats import false_discovery_control  # takes half a second to import, and few studies need it

    if not p_values:
        return []
    adjusted = false_discovery_control([1.0 if p is None else p for p in p_values], method="bh")
    return [None if p is None else float(value) for p, value in zip(p_values, adjusted, strict=True)]


def corrected(p_values: Sequence[float | None], correction: Method) -> list[float | None]:
    """Return the p-values after a study's correction, for a correction of p-values alone (`max_t` needs the pairs)."""
    if correction == "holm":
        return holm(p_values)
    return benjamini_hochberg(p_values) if correction == "benjamini_hochberg" else list(p_values)


def factors_to_pass(p_values: Sequence[float | None], correction: Method, alpha: float) -> list[float]:
    """Return for each p-value the least factor f such that p <= alpha / f would show its comparison.

    Given the other p-values, that is the greatest p that still shows it. Under Holm's procedure f is m less the number
    of others that pass before it. Under Benjamini and Hochberg's it is m / k if k - 1 others are at most alpha k / m.
    """
    size = len(p_values)
    if correction == "none" or not size:
        return [1.0] * size
    if correction == "max_t":  # with the others as observed, one sign pattern may do
        return [size / max(1, sum(p is not None for p in p_values))] * size
    known = np.array([1.0 if p is None else p for p in p_values])
    order = np.argsort(known, kind="stable")
    find = _holm_factors if correction == "holm" else _benjamini_hochberg_factors
    factors = np.empty(size)
    factors[order] = find(known[order], alpha)
    return [float(factor) for factor in factors]


def _holm_factors(rising: np.ndarray, alpha: float) -> np.ndarray:
    """Others before this one keep their step of the procedure; those after it move one step forward."""
    size = rising.size
    fails = np.flatnonzero(np.arange(size, 0, -1) * rising > alpha)
    passed = int(fails[0]) if fails.size else size
    passing = np.full(size, passed)
    end = size  # the first later one that fails, one step earlier
    for place in range(size - 1, -1, -1):
        if place < passed:
            passing[place] = end - 1
        if (size - place + 1) * rising[place] > alpha:
            end = place
    return np.asarray(size - passing, dtype=np.float64)


def _benjamini_hochberg_factors(rising: np.ndarray, alpha: float) -> np.ndarray:
    size = rising.size
    steps = np.arange(1, size + 1)
    limits = alpha * steps / size
    upto = np.searchsorted(rising, limits, side="right")
    shown = np.max(steps, where=upto >= steps, initial=0)
    # If it is not among those shown, it would add one at every limit below it.
    with_one_more = np.maximum.accumulate(np.where(upto >= steps - 1, steps, 0))
    below = np.searchsorted(limits, rising, side="left")
    return np.asarray(size / np.where(steps <= shown, shown, with_one_more[np.maximum(below, 1) - 1]))
