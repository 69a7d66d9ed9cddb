"""Power of paired comparisons, and the pairs that they need. Functions of numbers only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from statistics import fmean
from statistics import stdev

from ablative.search_spaces.spending import pairs_needed

_NORMAL = NormalDist()
MOST_PAIRS = 100_000
POWER = 0.8
"""Wanted power to decide a comparison."""


def power_of(pairs: int, effect: float, sd: float, alpha: float) -> float:
    """Power of the two-sided paired t-test; the sign-flip test's is close to it, and 0 with too few pairs."""
    if pairs < pairs_needed(1, alpha):
        return 0.0
    from scipy import stats  # takes a second to import, and not every answer needs it

    critical = float(stats.t.ppf(1 - alpha / 2, pairs - 1))
    shift = math.inf if sd == 0 else abs(effect) / sd * math.sqrt(pairs)
    if shift > 100:  # indistinguishable from 1 for the distribution function
        return 1.0
    return float(stats.nct.sf(critical, pairs - 1, shift) + stats.nct.cdf(-critical, pairs - 1, shift))


def pairs_for(effect: float, sd: float, alpha: float, power: float) -> int | None:
    """Least number of pairs with at least this `power`; None beyond `MOST_PAIRS`."""
    low, high = pairs_needed(1, alpha), pairs_needed(1, alpha)
    while power_of(high, effect, sd, alpha) < power:
        low, high = high, 2 * high
        if high > MOST_PAIRS:
            return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle, effect, sd, alpha) >= power else (middle + 1, high)
    return high


def pairs_to_decide(
    differences: Sequence[float], inside: Sequence[Sequence[float]], alpha: float, efficiency: float = 1.0
) -> int | None:
    """The approximate number of pairs that would decide a comparison with power `POWER`, if mean and scatter stay.

    A comparison is decided by a difference, tested at `alpha` on both sides, or by equivalence, tested at `alpha` on
    either side; the one with fewer pairs counts. `inside`: how far each difference lies inside either end of the
    margin; empty without one. Finding an effect of d standard deviations takes about
    (z_alpha + z_beta)^2 / d^2 + z_alpha^2 / 2 pairs (Guenther 1981), and more in proportion as the test's `efficiency`
    is below the mean's. None with fewer than two differences, and beyond `MOST_PAIRS`.
    """
    if len(differences) < 2:
        return None
    ends = [_pairs_to_show(values, alpha, efficiency, one_sided=True) for values in inside]
    either = [_pairs_to_show(differences, alpha / 2, efficiency), *([max(ends)] if ends else [])]
    least = min(either)
    return max(math.ceil(least), pairs_needed(1, alpha)) if least <= MOST_PAIRS else None


def _pairs_to_show(values: Sequence[float], tail: float, efficiency: float, *, one_sided: bool = False) -> float:
    """Pairs that show a mean like that of these values; infinite where it lies on the other side."""
    mean = fmean(values)
    if one_sided and mean <= 0:
        return math.inf
    return _guenther(abs(mean), stdev(values) / math.sqrt(efficiency), tail)


def chance_beyond(differences: Sequence[float], margin: float, pairs: int, alpha: float) -> float:
    """Probability that `pairs` in all will show a difference beyond `margin`, given those so far.

    This is the predictive power (Spiegelhalter, Freedman and Blackburn 1986) under a flat prior. For n differences
    with mean m and standard deviation s, the mean of all N is m + s sqrt(1 / n - 1 / N) t, with t of n - 1 degrees of
    freedom. The difference is shown if the paired t-test at `alpha` on both sides shows it with that s. 1 with fewer
    than two differences.
    """
    from scipy.special import stdtr
    from scipy.special import stdtrit

    n = len(differences)
    if n < 2:
        return 1.0
    mean, sd = fmean(differences), stdev(differences)
    needed = max(margin, float(stdtrit(pairs - 1, 1 - alpha / 2)) * sd / math.sqrt(pairs))
    apart = sd * math.sqrt(1 / n - 1 / pairs) if pairs > n else 0.0
    if apart == 0:
        return float(abs(mean) > needed)
    return float(stdtr(n - 1, (mean - needed) / apart) + stdtr(n - 1, (-mean - needed) / apart))


def _guenther(effect: float, sd: float, tail: float) -> float:
    if effect == 0:
        return math.inf
    z_alpha, z_beta = _NORMAL.inv_cdf(1 - tail), _NORMAL.inv_cdf(POWER)
    return ((z_alpha + z_beta) * sd / effect) ** 2 + z_alpha**2 / 2
