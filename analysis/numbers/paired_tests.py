"""Paired tests beside the sign-flip test: by ranks of seeds, by examples, and by both sources of chance at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ablative.analysis.numbers.shapes import of_one_shape
from ablative.analysis.numbers.statistics import exact_p_values
from ablative.search_spaces.ties import levelled

DISCORDANT_LIMIT = 1_000
"""Up to this many discordant examples McNemar's test is exact; beyond, chi-squared with continuity correction."""

_EXACT_WITH_TIES = 13
_EXACT_WITHOUT_TIES = 50
_AT_ONCE = 4_000_000  # numbers drawn at a time


def wilcoxon_p_value(differences: Sequence[float]) -> float | None:
    """Are differences symmetric about zero, by their ranks? Two-sided signed-rank test (Wilcoxon 1945), as scipy's.

    Zeros are left out, and sizes that differ only in their last bits are equal. Exact for up to 50 differences of
    distinct sizes, and for up to 13 of any; otherwise by the normal distribution. 1 if all are zero, None without
    differences. One odd seed weighs less than in the sign-flip test of the sum.
    """
    return wilcoxon_p_values([differences])[0]


def wilcoxon_p_values(samples: Sequence[Sequence[float]]) -> list[float | None]:
    """Return `wilcoxon_p_value` of each sample; samples of one size are computed together."""
    found: list[float | None] = [None] * len(samples)
    for positions, (values,) in of_one_shape([(np.asarray(sample, np.float64),) for sample in samples]):
        for position, p_value in zip(positions, _signed_ranks(values).tolist(), strict=True):
            found[position] = p_value
    return found


def _signed_ranks(values: np.ndarray) -> np.ndarray:
    """Return the p-value of each row of `values`, shape (samples, differences)."""
    from scipy.stats import wilcoxon

    ranked = signed_ranks(values)
    signed, ranks, zeros = ranked, np.abs(ranked), np.count_nonzero(ranked == 0, axis=1)
    if values.shape[1] <= _EXACT_WITH_TIES:
        return exact_p_values(ranked)
    distinct = (zeros == 0) & np.all(np.diff(np.sort(ranks, axis=1), axis=1) > 0, axis=1)
    is_exact = distinct & (values.shape[1] <= _EXACT_WITHOUT_TIES)
    p_values = np.ones(len(values))
    for rows, method in ((is_exact, "exact"), (~is_exact & np.any(signed, axis=1), "asymptotic")):
        if rows.any():
            p_values[rows] = wilcoxon(signed[rows], axis=1, method=method).pvalue
    return p_values


def signed_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of each row's sizes with the signs of `values`, shape (samples, differences).

    Zeros have rank 0 and do not count for others; sizes that differ only in their last bits share a rank.
    """
    from scipy.stats import rankdata

    sizes = levelled(np.concatenate([np.zeros((len(values), 1)), np.abs(values)], axis=1))[:, 1:]
    zeros = np.count_nonzero(sizes == 0, axis=1)
    ranks = np.where(sizes == 0, 0.0, rankdata(sizes, axis=1) - zeros[:, None])
    return np.asarray(np.sign(values) * ranks)


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Do two models err on different numbers of the same examples? McNemar's test (1947), by statsmodels.

    `only_first` and `only_second` count the examples that only one model gets right. If the models are equally good,
    each such example is equally likely on either side: a binomial test, or (|b - c| - 1)^2 / (b + c) on chi-squared
    with one degree of freedom. It sees one trial per side, so it says nothing about another seed.
    """
    from statsmodels.stats.contingency_tables import mcnemar

    exact = only_first + only_second <= DISCORDANT_LIMIT
    return min(1.0, float(mcnemar([[0, only_first], [only_second, 0]], exact=exact).pvalue))


def clustered_mcnemar_p_value(sums: np.ndarray) -> float:
    """McNemar's test for examples drawn in clusters: `sums`, whole numbers, one per cluster.

    A sum is the cluster's examples that only the first model gets right, less those that only the second does. If the
    models are equally good, the opposite sign is equally likely. So the test uses the exact distribution of the total
    under all signs. Beyond `DISCORDANT_LIMIT` it uses its square by the sum of squares, on chi-squared with one degree
    of freedom (Durkalski et al. 2003). For single examples it equals `mcnemar_p_value`.
    """
    from scipy import stats

    sizes = np.abs(sums).astype(np.int64)
    total = int(np.abs(sums.sum()))
    if sizes.max(initial=0) <= 1:
        return mcnemar_p_value(int(np.sum(sums > 0)), int(np.sum(sums < 0)))
    if sizes.sum() > DISCORDANT_LIMIT:
        return float(stats.chi2.sf(total**2 / float((sizes**2).sum()), 1))
    distribution = np.ones(1)  # of the total, from its least value up
    for size, count in zip(*np.unique(sizes[sizes > 0], return_counts=True), strict=True):
        apart = np.zeros(2 * size * count + 1)
        apart[:: 2 * size] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
        distribution = np.convolve(distribution, apart)
    totals = np.arange(distribution.size) - sizes.sum()
    return min(1.0, float(distribution[np.abs(totals) >= total].sum()))


def by_cluster(values: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums over each cluster along the last axis of `values`, and the number of values in each.

    `clusters`: the number of each value's cluster. Clusters come in order of first appearance.
    """
    _, first, codes = np.unique(clusters, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    places = rank[codes]
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(first.size))
    sizes = np.bincount(places, minlength=first.size)
    return np.add.reduceat(values[..., order], starts, axis=-1), sizes


def mixed_bootstrap_interval(
    sums: np.ndarray,
    sizes: np.ndarray,
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    resamples: int = 1_000,
) -> tuple[float, float] | None:
    """How large is the difference, for other seeds and other examples? Percentile interval of the mean.

    `sums`: shape (seeds, clusters), the differences of a cluster's examples under one seed, so both arms are paired by
    seed and example; `sizes`: examples of each cluster. Seeds and clusters are drawn with replacement, independently
    (the pigeonhole bootstrap, Owen 2007, whose intervals tend to be too wide). None for fewer than two seeds or
    clusters.
    """
    seeds, clusters = sums.shape
    if min(seeds, clusters) < 2:
        return None
    step = max(1, _AT_ONCE // clusters)
    means = [_mixed(sums, sizes, rng, min(step, resamples - start)) for start in range(0, resamples, step)]
    low, high = np.quantile(np.concatenate(means), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _mixed(sums: np.ndarray, sizes: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """Means of resamples, shape (resamples,): averages the drawn seeds for each cluster, then draws clusters."""
    seeds, clusters = sums.shape
    times_drawn = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    of_clusters = times_drawn @ sums / seeds
    drawn = rng.integers(0, clusters, size=(resamples, clusters))
    return np.asarray(np.take_along_axis(of_clusters, drawn, axis=1).sum(axis=1) / sizes[drawn].sum(axis=1))
