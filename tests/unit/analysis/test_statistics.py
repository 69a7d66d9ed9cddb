"""Statistics against scipy and against the formulas written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablative.analysis.numbers.statistics import DRAWS
from ablative.analysis.numbers.statistics import EXACT_LIMIT
from ablative.analysis.numbers.statistics import benjamini_hochberg
from ablative.analysis.numbers.statistics import corrected
from ablative.analysis.numbers.statistics import holm
from ablative.analysis.numbers.statistics import sign_flip_p_value
from ablative.analysis.numbers.statistics import t_interval
from ablative.search_spaces.spending import pairs_needed


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("n", [2, 3, 6, 12, 40])
def test_t_interval_equals_scipys(n: int) -> None:
    values = rng(n).normal(0.5, 0.1, n)

    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)

    assert t_interval(list(values)) == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_one_value_has_no_interval() -> None:
    assert t_interval([0.5]) is None
    assert t_interval([]) is None


@pytest.mark.parametrize("n", [2, 5, 6, 9, 12])
def test_exact_p_value_equals_scipys_permutation_test(n: int) -> None:
    differences = rng(n).normal(0.02, 0.05, n)

    expected = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue

    assert sign_flip_p_value(list(differences), rng()) == pytest.approx(expected, abs=1e-12)


def test_exact_p_value_counts_ties_of_rounded_scores() -> None:
    differences = [0.1, 0.2, -0.3, 0.0, 0.1, 0.2]
    exact = [round(10 * value) for value in differences]
    signs = list(itertools.product((1, -1), repeat=6))
    hits = sum(abs(sum(map(int.__mul__, sign, exact))) >= abs(sum(exact)) for sign in signs)

    assert sign_flip_p_value(differences, rng()) == pytest.approx(hits / len(signs), abs=1e-12)


def test_no_difference_at_all_is_p_one_and_no_pair_is_none() -> None:
    assert sign_flip_p_value([0.0] * 6, rng()) == 1.0
    assert sign_flip_p_value([], rng()) is None


def test_six_agreeing_pairs_give_the_smallest_p_value_of_six() -> None:
    assert sign_flip_p_value([0.1, 0.2, 0.3, 0.1, 0.4, 0.2], rng()) == 2.0**-5


def test_drawn_p_value_lies_near_the_exact_one() -> None:
    differences = list(rng(3).normal(0.01, 0.05, EXACT_LIMIT + 1))
    values = np.asarray(differences)
    sums = values[:1]
    for value in values[1:]:
        sums = np.concatenate([sums + value, sums - value])
    exact = float(np.mean(np.abs(sums) >= abs(values.sum()) - 1e-12))

    drawn = sign_flip_p_value(differences, rng())

    assert drawn == pytest.approx(exact, abs=5 * np.sqrt(exact * (1 - exact) / DRAWS))


def test_drawn_p_value_is_a_function_of_the_generator_and_never_zero() -> None:
    differences = list(rng(4).normal(0.015, 0.05, EXACT_LIMIT + 10))

    assert sign_flip_p_value(differences, rng(1)) == sign_flip_p_value(differences, rng(1))
    assert sign_flip_p_value(differences, rng(1)) != sign_flip_p_value(differences, rng(2))
    assert sign_flip_p_value([1.0] * 60, rng()) == 1 / (1 + DRAWS)


def test_holm_equals_the_formula_written_out() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005]

    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, made monotone: .02 .03 .06 .06
    assert holm(p_values) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_counts_planned_comparisons_without_data() -> None:
    assert holm([0.01, None, None]) == [pytest.approx(0.03), None, None]
    assert holm([]) == []


def test_benjamini_hochberg_equals_the_formula_written_out() -> None:
    # sorted .005 .01 .03 .04, times 4/1 4/2 4/3 4/4: .02 .02 .04 .04, made monotone from the end
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_benjamini_hochberg_counts_planned_comparisons_without_data() -> None:
    assert benjamini_hochberg([0.01, None, None]) == [pytest.approx(0.03), None, None]
    assert benjamini_hochberg([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_never_laxer_than_benjamini_hochberg_and_that_never_than_none(p_values: list[float]) -> None:
    strict, lax = corrected(p_values, "holm"), corrected(p_values, "benjamini_hochberg")
    for none, bh, fwer in zip(corrected(p_values, "none"), lax, strict, strict=True):
        assert none is not None and bh is not None and fwer is not None
        assert none - 1e-12 <= bh <= fwer + 1e-12


def test_holm_never_exceeds_one() -> None:
    assert holm([0.6, 0.9]) == [1.0, 1.0]


@pytest.mark.parametrize(("comparisons", "alpha", "least"), [(1, 0.05, 6), (3, 0.05, 7), (12, 0.05, 9), (1, 0.5, 2)])
def test_pairs_needed_is_the_first_n_whose_smallest_p_value_survives(
    comparisons: int, alpha: float, least: int
) -> None:
    assert pairs_needed(comparisons, alpha) == least
    assert comparisons * 2.0 ** (1 - least) <= alpha < comparisons * 2.0 ** (2 - least)


@pytest.mark.parametrize(("comparisons", "alpha"), [(0, 0.05), (1, 0.0), (1, 1.0)])
def test_pairs_needed_refuses_what_has_no_answer(comparisons: int, alpha: float) -> None:
    with pytest.raises(ValueError, match=f"comparisons={comparisons}, alpha={alpha}"):
        pairs_needed(comparisons, alpha)
