"""Paired tests by ranks and by examples, against scipy, statsmodels and the truth of simulations."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from ablative.analysis.numbers.paired_tests import by_cluster
from ablative.analysis.numbers.paired_tests import clustered_mcnemar_p_value
from ablative.analysis.numbers.paired_tests import mcnemar_p_value
from ablative.analysis.numbers.paired_tests import mixed_bootstrap_interval
from ablative.analysis.numbers.paired_tests import wilcoxon_p_value
from ablative.analysis.numbers.paired_tests import wilcoxon_p_values


def test_wilcoxon_is_scipys_and_exact_for_few_pairs() -> None:
    differences = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]

    assert wilcoxon_p_value(differences) == stats.wilcoxon(differences).pvalue == 2 / 2**6
    assert wilcoxon_p_value([0.0, 0.0]) == 1.0
    assert wilcoxon_p_value([]) is None


@pytest.mark.parametrize("pairs", [1, 2, 6, 12, pytest.param(13, marks=pytest.mark.slow), 14, 18, 30, 60])
@pytest.mark.parametrize("kind", ["distinct", "tied", "with zeros"])
def test_wilcoxon_is_scipys_for_any_number_of_pairs_one_by_one_and_together(pairs: int, kind: str) -> None:
    rng = np.random.default_rng(pairs)
    values = rng.normal(0.3, 1, (2, pairs))  # scipy takes seconds for an exact test with ties
    if kind != "distinct":
        values = np.round(values + (5 if kind == "tied" else 0), 0 if kind == "with zeros" else 1)
    samples = [row for row in values if row.any()]

    together = wilcoxon_p_values([*samples, []])

    assert together[:-1] == pytest.approx([stats.wilcoxon(row).pvalue for row in samples], abs=1e-12)
    assert together == [*(wilcoxon_p_value(row) for row in samples), None]


def test_wilcoxon_ranks_sizes_that_differ_in_their_last_bit_only_alike() -> None:
    """0.1 + 0.2 is not 0.3: as computed, one of the pair would rank before the other, or differ from zero."""
    computed = [0.1 + 0.2, -0.3, 0.7 - 0.6 - 0.1, 0.45, 0.5, -0.02]

    exact = [0.3, -0.3, 0.0, 0.45, 0.5, -0.02]
    assert computed[:3] != exact[:3]
    assert wilcoxon_p_value(computed) == wilcoxon_p_value(exact) == stats.wilcoxon(exact).pvalue


@pytest.mark.parametrize(("one", "other"), [(0, 6), (3, 9), (10, 10), (40, 25)])
def test_mcnemars_exact_p_value_is_the_binomial_tests(one: int, other: int) -> None:
    assert mcnemar_p_value(one, other) == pytest.approx(stats.binomtest(one, one + other).pvalue)


def test_mcnemars_test_of_many_examples_is_chi_squared_with_continuity_correction() -> None:
    assert mcnemar_p_value(600, 700) == pytest.approx(stats.chi2.sf((100 - 1) ** 2 / 1300, 1))


def test_models_that_never_disagree_do_not_differ() -> None:
    assert mcnemar_p_value(0, 0) == 1.0


def signed_totals(sums: list[int]) -> list[int]:
    return [
        sum(sign * value for sign, value in zip(signs, sums, strict=True))
        for signs in product((1, -1), repeat=len(sums))
    ]


@pytest.mark.parametrize("sums", [[3, 1, -2, 0, 1], [2, 2, 2, 2], [-1, 4, 0, 0, 2, 2, -3, 1]])
def test_mcnemars_test_of_clusters_counts_every_sign_of_their_sums(sums: list[int]) -> None:
    totals = np.abs(signed_totals(sums))

    assert clustered_mcnemar_p_value(np.array(sums)) == pytest.approx((totals >= abs(sum(sums))).mean())


def test_mcnemars_test_of_clusters_of_one_is_mcnemars_and_of_many_is_durkalskis() -> None:
    assert clustered_mcnemar_p_value(np.array([1, 1, 1, -1, 0, 1])) == mcnemar_p_value(4, 1)
    many = np.array([2] * 400 + [-2] * 340 + [1] * 10)
    assert clustered_mcnemar_p_value(many) == pytest.approx(stats.chi2.sf(130**2 / (4 * 740 + 10), 1))


def test_sums_by_cluster_keep_all_values() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])

    sums, sizes = by_cluster(values, np.array([7, 3, 7, 9]))

    assert sums.tolist() == [[4, 2, 4], [12, 6, 8]] and sizes.tolist() == [2, 1, 1]


def mixed(differences: np.ndarray, rng: np.random.Generator, resamples: int = 1_000) -> tuple[float, float] | None:
    return mixed_bootstrap_interval(differences, np.ones(differences.shape[1]), rng, resamples=resamples)


def study(rng: np.random.Generator, effect: float, by_seed: float, by_example: float) -> np.ndarray:
    seeds, examples = rng.normal(0, by_seed, (12, 1)), rng.normal(0, by_example, (1, 60))
    return effect + seeds + examples + rng.normal(0, 0.3, (12, 60))


@pytest.mark.parametrize(("by_seed", "by_example"), [(0.5, 0.1), (0.05, 1.0), (0.3, 0.8)])
def test_the_mixed_interval_covers_whichever_of_seeds_and_examples_varies(by_seed: float, by_example: float) -> None:
    rng = np.random.default_rng(4)
    studies = 200
    covered = 0
    for _ in range(studies):
        low, high = mixed(study(rng, 0.2, by_seed, by_example), rng, resamples=400) or (1, 0)
        covered += low <= 0.2 <= high

    assert covered >= stats.binom.ppf(0.0001, studies, 0.91)  # 12 seeds: percentile intervals are a little narrow


def test_the_mixed_interval_is_wider_than_one_that_takes_the_test_examples_for_all_there_are() -> None:
    rng = np.random.default_rng(0)
    differences = study(rng, 0.0, 0.05, 1.0)
    by_seed = differences.mean(axis=1)

    low, high = mixed(differences, rng) or (0, 0)

    assert high - low > 3 * 3.92 * by_seed.std(ddof=1) / math.sqrt(len(by_seed))


def test_the_mixed_interval_is_a_function_of_its_generator_and_needs_two_of_each() -> None:
    differences = study(np.random.default_rng(1), 0.0, 0.2, 0.2)

    first, again = (mixed(differences, np.random.default_rng(7)) for _ in range(2))
    assert first == again is not None
    assert mixed(differences[:1], np.random.default_rng(7)) is None
    assert mixed(differences[:, :1], np.random.default_rng(7)) is None
