"""Racing: give up candidates that have fallen behind, before all blocks have run (Birattari et al.

2002). Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from ablative.search_spaces.stopping import Mode
from ablative.search_spaces.ties import levelled

FIRST_TEST = 5
"""Blocks before anything is given up, as in irace."""
ALPHA = 0.05


def survivors(values: Mapping[str, Sequence[float]], mode: Mode) -> frozenset[str]:
    """Return which candidates stay in the race (candidate -> its value in each block, the same blocks for all).

    Friedman's test over the blocks; if it rejects at 0.05, those candidates stay whose sum of ranks is within the
    critical difference of the best one's (Conover 1999, section 5.8). Two candidates are compared by Wilcoxon's
    signed-rank test. Fewer than five blocks decide nothing.
    """
    names = list(values)
    table = np.array([values[name] for name in names]).T  # blocks by candidates
    if len(names) < 2 or len(table) < FIRST_TEST:
        return frozenset(names)
    better = levelled(-table if mode == "max" else table)
    kept = _of_two(better) if len(names) == 2 else _of_many(better)
    return frozenset(name for name, stays in zip(names, kept, strict=True) if stays)


def _of_two(lower: np.ndarray) -> np.ndarray:
    from scipy import stats  # takes a second to import, and only a race needs it

    difference = lower[:, 0] - lower[:, 1]
    difference = np.sign(difference) * levelled(np.abs(difference))
    stays = np.array([True, True])
    if difference.any() and stats.wilcoxon(difference).pvalue < ALPHA:
        stays[int(difference.sum() < 0)] = False
    return stays


def _of_many(lower: np.ndarray) -> np.ndarray:
    from scipy import stats

    blocks, candidates = lower.shape
    ranks = stats.rankdata(lower, axis=1)
    sums = ranks.sum(axis=0)
    if np.ptp(sums) == 0 or stats.friedmanchisquare(*lower.T).pvalue >= ALPHA:
        return np.full(candidates, fill_value=True)
    freedom = (blocks - 1) * (candidates - 1)
    spread = max(0.0, blocks * float((ranks**2).sum()) - float((sums**2).sum()))
    critical = float(stats.t.ppf(1 - ALPHA / 2, freedom)) * np.sqrt(2 * spread / freedom)
    return np.asarray(sums - sums.min() <= critical)
