"""Paired tests beside the sign-flip test: by ranks of seeds, by examples, and by both sources of chance at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ablative.analysis.numbers.shapes import of_one_shape
from ablative.analysis.numbers.statistics import exact_p_values
from ablative.search_spaces.ties import levelled

DISCORDANT_LIMIT = 1_000
"""Up to so many discordant examples McNemar's test is exact; beyond, chi-squared with continuity correction."""

_EXACT_WITH_TIES = 13
_EXACT_WITHOUT_TIES = 50
_AT_ONCE = 4_000_000  # numbers drawn at a time


def wilcoxon_p_value(differences: Sequence[float]) -> float | None:
    """Are differences symmetric about zero, by their ranks? Two-sided signed-rank test (Wilcoxon 1945), as scipy's.

    Zeros are left out, and sizes that differ in their last bits only are equal. Exact for up to 50 differences of
    distinct sizes, and for up to 13 of any; by the normal distribution otherwise. 1 where all are zero, None without
    differences. One odd seed weighs less than in the sign-flip test of the sum.
    """
    return wilcoxon_p_values([differences])[0]


def wilcoxon_p_values(samples: Sequence[Sequence[float]]) -> list[float | None]:
    """Return `wilcoxon_p_value` of each sample; those of one size are reckoned together."""
    found: list[float | None] = [None] * len(samples)
    for positions, (values,) in of_one_shape([(np.asarray(sample, np.float64),) for sample in samples]):
        for position, p_value in zip(positions, _signed_ranks(values).tolist(), strict=True):
            found[position] = p_value
    return found


def _signed_ranks(values: np.ndarray) -> np.ndarray:
    """Return the p-value of each row of `values`, shape (samples, differences)."""
    from scipy.stats import rankdata
    from scipy.stats import wilcoxon

    sizes = levelled(np.concatenate([np.zeros((len(values), 1)), np.abs(values)], axis=1))[:, 1:]
    signed = np.sign(values) * sizes
    zeros = np.count_nonzero(signed == 0, axis=1)
    ranks = np.where(signed == 0, 0.0, rankdata(sizes, axis=1) - zeros[:, None])
    if values.shape[1] <= _EXACT_WITH_TIES:
        return exact_p_values(np.sign(signed) * ranks)
    distinct = (zeros == 0) & np.all(np.diff(np.sort(ranks, axis=1), axis=1) > 0, axis=1)
    is_exact = distinct & (values.shape[1] <= _EXACT_WITHOUT_TIES)
    p_values = np.ones(len(values))
    for rows, method in ((is_exact, "exact"), (~is_exact & np.any(signed, axis=1), "asymptotic")):
        if rows.any():
            p_values[rows] = wilcoxon(signed[rows], axis=1, method=method).pvalue
    return p_values


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Do two models err on different numbers of the same examples? McNemar's test (1947), by statsmodels.

    Of the examples that only one gets right, `only_first` and `only_second`, each is as likely either if the models
    are equally good: a binomial test, or (|b - c| - 1)^2 / (b + c) on chi-squared with one degree of freedom.
    It sees one trial a side, so it says nothing about another seed.
    """
    from statsmodels.stats.contingency_tables import mcnemar

    exact = only_first + only_second <= DISCORDANT_LIMIT
    return min(1.0, float(mcnemar([[0, only_first], [only_second, 0]], exact=exact).pvalue))


def mixed_bootstrap_interval(
    differences: np.ndarray, rng: np.random.Generator, *, confidence: float = 0.95, resamples: int = 1_000
) -> tuple[float, float] | None:
    """How large is the difference, for other seeds and other examples? Percentile interval of the mean.

    `differences`: shape (seeds, examples), of one example's scores under one seed, so that both arms are paired by
    both. Seeds and examples are drawn with replacement, independently (the pigeonhole bootstrap, Owen 2007, which errs
    to the wide side). None for fewer than two seeds or examples.
    """
    seeds, examples = differences.shape
    if min(seeds, examples) < 2:
        return None
    step = max(1, _AT_ONCE // examples)
    means = [_mixed(differences, rng, min(step, resamples - start)) for start in range(0, resamples, step)]
    low, high = np.quantile(np.concatenate(means), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _mixed(differences: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """Means of resamples, shape (resamples,): the drawn seeds are averaged for each example, then examples drawn."""
    seeds, examples = differences.shape
    times_drawn = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    of_examples = times_drawn @ differences / seeds
    drawn = rng.integers(0, examples, size=(resamples, examples))
    return np.take_along_axis(of_examples, drawn, axis=1).mean(axis=1)
