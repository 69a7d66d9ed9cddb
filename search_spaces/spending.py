"""How comparisons spend their error probability over looks, and the pairs they need to reach it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Literal

Spending = Literal["pocock", "obrien_fleming"]
Method = Literal["holm", "max_t", "benjamini_hochberg", "none"]
Correction = Literal["auto", "holm", "max_t", "benjamini_hochberg", "none"]
"""As a study declares it: `auto` is Holm's procedure if that can reach significance, else max-T."""
Estimate = Literal["mean", "median", "hodges_lehmann"]
"""What a comparison is about: the mean of paired differences, their median, or the median of all their pairwise means.
"""
LEAST_SHARE = 1e-9
"""Least share of alpha at every look, even at one too early to reach significance."""


def spent_at(looks: Sequence[int], spending: Spending, alpha: float) -> tuple[float, ...]:
    """Error probability that may be spent at each look, summing to `alpha` (Lan and DeMets 1983).

    `looks`: seeds at each look, rising; the last is all of them. With t the share of the seeds, up to t may be spent
    alpha * log(1 + (e - 1) t) (`pocock`, about equally at all looks), or 2 - 2 Phi(z / sqrt(t)) with z the quantile of
    1 - alpha / 2 (`obrien_fleming`, little at first). As each look is held to its own part, the sum bounds the error
    whatever the dependence between looks.
    """
    normal = NormalDist()
    upto = [0.0]
    for seeds in looks:
        share = seeds / looks[-1]
        if spending == "pocock":
            upto.append(alpha * math.log(1 + (math.e - 1) * share))
        else:
            upto.append(2 - 2 * normal.cdf(normal.inv_cdf(1 - alpha / 2) / math.sqrt(share)))
    parts = [max(later - earlier, LEAST_SHARE * alpha) for earlier, later in pairwise(upto)]
    return tuple(part * alpha / sum(parts) for part in parts)


def hardest_factor(comparisons: float, correction: Method) -> float:
    """Return the largest factor by which the correction multiplies a p-value.

    Holm's first step multiplies it by the number of comparisons, a later one by less, which `comparisons` may be. The
    other corrections leave it as it is where all comparisons are as clear as they can be: under max-T no pattern of
    signs but the observed one then reaches what is observed.
    """
    return comparisons if correction == "holm" else 1


def in_force(
    correction: Correction, *, comparisons: int, pairs: int, alpha: float, estimate: Estimate = "mean"
) -> Method:
    """Return the correction that a family of comparisons gets, as a function of what is planned.

    `pairs`: planned of the comparison that has the fewest. Signs and ranks of another `estimate` than the mean are
    equal in so many patterns that max-T needs the pairs of Holm's procedure too.
    """
    if correction == "auto":
        enough = estimate != "mean" or pairs >= pairs_needed(max(comparisons, 1), alpha)
        correction = "holm" if enough else "max_t"
    return correction


def pairs_needed(comparisons: float, alpha: float, correction: Method = "holm") -> int:
    """Least number of pairs with which the exact test can fall to `alpha` after correction by `hardest_factor`.

    The smallest two-sided p-value of n pairs is 2^(1-n).
    """
    if comparisons < 1 or not 0 < alpha < 1:
        raise ValueError(
            f"pairs_needed: comparisons={comparisons}, alpha={alpha}; wanted comparisons >= 1, alpha in (0, 1)"
        )
    factor, pairs = hardest_factor(comparisons, correction), 1
    while factor * 2.0 ** (1 - pairs) > alpha:
        pairs += 1
    return pairs
