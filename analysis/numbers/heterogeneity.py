"""Does an effect vary between conditions, and how much? Also estimates per condition that borrow from the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablative.analysis.numbers.max_t import every_pattern
from ablative.analysis.numbers.statistics import EXACT_LIMIT
from ablative.search_spaces.ties import RELATIVE_TIE

Ends = tuple[float, float]
_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Standard deviation of true effects."""

    sd: float
    low: float
    high: float
    """95 %; both ends are at least 0."""


def varies(differences: np.ndarray) -> float | None:
    """P-value for one common effect in all conditions, from paired differences of shape (seeds, conditions).

    Each seed's mean is subtracted. If the effect is the same everywhere, the rest is equally likely to have the
    opposite sign in all conditions of a seed together. So signs are flipped jointly, as under max-T; the statistic is
    the sum over conditions of squared sums by squares. Exact up to 20 seeds. None with more, with fewer than two seeds
    or conditions, and without scatter.
    """
    return vary_jointly([differences])


def vary_jointly(arms: Sequence[np.ndarray]) -> float | None:
    """P-value for the claim that no arm's effect varies between conditions: `varies` of all arms.

    Each has shape (seeds, conditions). Joint sign flips of the seeds keep the arms as dependent as they are, so this
    is one test for all.
    """
    rest = np.hstack([differences - differences.mean(axis=1, keepdims=True) for differences in arms])
    squares = (rest**2).sum(axis=0)
    seeds, conditions = arms[0].shape
    if not 2 <= seeds <= EXACT_LIMIT or conditions < 2 or not squares.all():
        return None
    observed = float((rest.sum(axis=0) ** 2 / squares).sum()) * (1 - RELATIVE_TIE)
    hits = sum(
        int(np.count_nonzero(((rest.T @ signs) ** 2 / squares[:, None]).sum(axis=0) >= observed))
        for signs in every_pattern(seeds, _AT_ONCE)
    )
    return float(hits / 2 ** (seeds - 1))


def spread(effects: Sequence[float], variances: Sequence[float]) -> Spread | None:
    """Spread of true effects behind estimates with these variances; None for fewer than two, or without scatter.

    By Paule and Mandel (1982; `statsmodels.stats.meta_analysis`), with the interval of Viechtbauer's Q-profile (2007):
    the spreads under which the weighted squares around the weighted mean are not an extreme value of chi-squared.
    """
    from scipy import stats
    from statsmodels.stats.meta_analysis import combine_effects

    found, known = np.asarray(effects, np.float64), np.asarray(variances, np.float64)
    if found.size < 2 or not (known > 0).all():
        return None
    squared = float(combine_effects(found, known, method_re="iterated").tau2)
    high, low = (_profiled(found, known, float(stats.chi2.ppf(share, found.size - 1))) for share in (0.025, 0.975))
    return Spread(sd=math.sqrt(max(0.0, squared)), low=math.sqrt(low), high=math.sqrt(high))


def _profiled(effects: np.ndarray, variances: np.ndarray, wanted: float) -> float:
    """The variance of true effects under which Cochran's Q has the wanted value; 0 if Q is smaller without any."""
    from scipy.optimize import brentq

    def excess(squared: float) -> float:
        weights = 1 / (variances + squared)
        return float((weights * (effects - weights @ effects / weights.sum()) ** 2).sum()) - wanted

    if excess(0.0) <= 0:
        return 0.0
    most = float(np.var(effects) + variances.max())
    while excess(most) > 0:
        most *= 2
    return float(brentq(excess, 0.0, most, xtol=1e-12))


def borrowed(effects: Sequence[float], variances: Sequence[float], sd: float) -> list[tuple[float, Ends]]:
    """Estimate of each true effect that borrows from the others, with its 95 % interval (Morris 1983).

    Empirical Bayes under normal effects: an estimate moves towards the weighted mean by its share B of the variance.
    Its own variance is then v (1 - B) + B^2 var(mean). This ignores how poorly few conditions determine the spread.
    """
    found, known = np.asarray(effects, np.float64), np.asarray(variances, np.float64)
    weights = 1 / (known + sd**2)
    mean, share = float(weights @ found / weights.sum()), known / (known + sd**2)
    estimates = found + share * (mean - found)
    halves = 1.959963984540054 * np.sqrt(known * (1 - share) + share**2 / weights.sum())
    rows = zip(estimates.tolist(), halves.tolist(), strict=True)
    return [(estimate, (estimate - half, estimate + half)) for estimate, half in rows]


def fixed_interval(strata: Sequence[np.ndarray], weights: Sequence[float]) -> Ends | None:
    """95 % interval of the mean over exactly these strata, not over a sample of strata (Welch 1947).

    `weights`: of the strata. None if a stratum has fewer than two values, or nothing varies.
    """
    from scipy.special import stdtrit

    if not strata or min(map(len, strata)) < 2:
        return None
    shares = np.asarray(weights, np.float64) / sum(weights)
    parts = np.array([np.var(values, ddof=1) / len(values) for values in strata]) * shares**2
    total = float(parts.sum())
    if total == 0:
        return None
    freedom = total**2 / float(sum(part**2 / (len(of) - 1) for part, of in zip(parts, strata, strict=True)))
    mean = float(shares @ [values.mean() for values in strata])
    half = float(stdtrit(freedom, 0.975)) * math.sqrt(total)
    return mean - half, mean + half
