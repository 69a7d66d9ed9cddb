"""The typical paired difference, by the estimate that a study declares, and the values whose signs its test flips.

Each estimate has one exact test under sign flips: of the differences themselves (mean), of their signs alone (the sign
test, median), of their signed ranks (Wilcoxon's test, the Hodges-Lehmann estimate).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence
from functools import cache

import numpy as np

from ablative.analysis.numbers.flip_intervals import Ends
from ablative.analysis.numbers.flip_intervals import flip_intervals
from ablative.analysis.numbers.paired_tests import signed_ranks
from ablative.search_spaces.spending import Estimate
from ablative.search_spaces.ties import levelled

EFFICIENCY = {"mean": 1.0, "median": 2 / math.pi, "hodges_lehmann": 3 / math.pi}
"""For many normal differences, the pairs that the mean's test needs, as a share of those that this test needs."""


def estimate_of(differences: Sequence[float], estimate: Estimate) -> float | None:
    """Return the mean, the median, or the median of all pairwise means (Hodges and Lehmann 1963).

    None without values.
    """
    if not differences:
        return None
    if estimate == "mean":
        return math.fsum(differences) / len(differences)
    return float(np.median(_between(differences, estimate)))


def flipped(differences: Sequence[float], estimate: Estimate) -> tuple[float, ...]:
    """Return the values whose signs the estimate's test flips.

    Their sum is the statistic and has the difference's sign. Differences that are zero up to rounding are zero, and
    sizes that differ only in their last bits rank alike.
    """
    if estimate == "mean" or not differences:
        return tuple(differences)
    values = np.asarray(differences, np.float64)
    if estimate == "hodges_lehmann":
        return tuple(signed_ranks(values[None])[0].tolist())
    sizes = levelled(np.concatenate([[0.0], np.abs(values)]))[1:]
    return tuple((np.sign(values) * (sizes > 0)).tolist())


def estimate_intervals(
    samples: Sequence[Sequence[float]],
    alphas: Sequence[float],
    estimate: Estimate,
    generator: Callable[[], np.random.Generator],
    weights: Sequence[Sequence[float]] | None = None,
) -> list[Ends | None]:
    """Return for each sample the values of the estimate that its test does not reject at its alpha.

    For the mean these are `flip_intervals`. For the others they are order statistics: of the differences (median), or
    of their pairwise means (Hodges-Lehmann). The ends lie as far inside as chance may put such values on one side of
    the truth. None if so few differences could reject no value. `weights`: for the mean alone, as in `flip_intervals`.
    """
    if estimate == "mean":
        return flip_intervals(samples, alphas, generator, weights)
    return [_order_statistics(sample, alpha, estimate) for sample, alpha in zip(samples, alphas, strict=True)]


def _order_statistics(sample: Sequence[float], alpha: float, estimate: Estimate) -> Ends | None:
    if not sample:
        return None
    tails = 2 * _upto(len(sample), estimate)
    rejected = int(np.searchsorted(tails, alpha * (1 + 1e-12), side="right"))  # counts on one side
    values = np.sort(_between(sample, estimate))
    return (float(values[rejected - 1]), float(values[-rejected])) if rejected else None


def _between(differences: Sequence[float], estimate: Estimate) -> np.ndarray:
    """Return the values at which the estimate's p-value changes: the differences, or means of every two of them."""
    values = np.asarray(differences, np.float64)
    if estimate == "median":
        return values
    first, second = np.triu_indices(values.size)
    return np.asarray((values[first] + values[second]) / 2)


@cache
def _upto(size: int, estimate: Estimate) -> np.ndarray:
    """Probability that at most 0, 1, ... of these values lie on one side of the truth."""
    counts = np.ones(1)
    for rank in range(1, size + 1):
        step = 1 if estimate == "median" else rank
        counts = np.concatenate([counts, np.zeros(step)]) + np.concatenate([np.zeros(step), counts])
        counts /= 2
    return np.cumsum(counts)
