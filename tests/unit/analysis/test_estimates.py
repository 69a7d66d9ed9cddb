"""Median and Hodges-Lehmann estimates: their tests, their intervals, and verdicts where single runs collapse."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablative.analysis.numbers.estimates import estimate_intervals
from ablative.analysis.numbers.estimates import estimate_of
from ablative.analysis.numbers.estimates import flipped
from ablative.analysis.numbers.paired_tests import wilcoxon_p_value
from ablative.analysis.pairing.verdicts import p_values
from ablative.analysis.plan import read_plan
from ablative.analysis.views.effects import primary_rows
from ablative.search_spaces.spending import Estimate
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

ROBUST: tuple[Estimate, ...] = ("median", "hodges_lehmann")
NUMBERS = st.lists(st.floats(-5, 5, allow_subnormal=False).map(lambda value: round(value, 3)), min_size=1, max_size=14)


@given(NUMBERS)
def test_the_medians_test_is_the_sign_test_and_the_other_wilcoxons(differences: list[float]) -> None:
    median, ranked = (p_values([differences], estimate)[0] for estimate in ROBUST)

    above, below = sum(value > 0 for value in differences), sum(value < 0 for value in differences)
    assert median == pytest.approx(stats.binomtest(above, above + below).pvalue if above + below else 1.0)
    if len(differences) <= 13:
        assert ranked == pytest.approx(wilcoxon_p_value(differences))


def test_estimates_are_what_their_names_say() -> None:
    values = [3.0, 1.0, 10.0, 2.0]

    assert estimate_of(values, "mean") == 4.0
    assert estimate_of(values, "median") == 2.5
    walsh = [(one + other) / 2 for place, one in enumerate(values) for other in values[place:]]
    assert estimate_of(values, "hodges_lehmann") == np.median(walsh)
    assert [estimate_of([], name) for name in ("mean", *ROBUST)] == [None] * 3
    assert flipped([0.3 - 0.1 - 0.2, 0.5, -0.1], "median") == (0.0, 1.0, -1.0)


@pytest.mark.parametrize("estimate", ROBUST)
@pytest.mark.parametrize(("pairs", "alpha"), [(6, 0.05), (7, 0.05), (9, 0.01), (12, 0.05), (12, 0.01), (25, 0.05)])
def test_intervals_hold_what_the_test_does_not_reject(estimate: Estimate, pairs: int, alpha: float) -> None:
    differences = np.random.default_rng(pairs).normal(0.4, 1, pairs)

    ((low, high),) = estimate_intervals([differences.tolist()], [alpha], estimate, np.random.default_rng)  # type: ignore[misc]

    step = 1e-6
    if pairs <= 12:
        inside = [low + step, high - step, (low + high) / 2]
        assert all((p_values([(differences - value).tolist()], estimate)[0] or 0) > alpha for value in inside)
        outside = [low - step, high + step]
        assert all((p_values([(differences - value).tolist()], estimate)[0] or 0) <= alpha for value in outside)
    assert low < (estimate_of(differences.tolist(), estimate) or 0) < high


def test_the_median_interval_is_the_textbooks() -> None:
    """Conover 1999: the 95 % interval of the median of 16 is from the 4th to the 13th value."""
    ((low, high),) = estimate_intervals([list(map(float, range(1, 17)))], [0.05], "median", np.random.default_rng)  # type: ignore[misc]
    assert (low, high) == (4.0, 13.0)


@pytest.mark.parametrize("estimate", ROBUST)
def test_too_few_differences_have_no_interval(estimate: Estimate) -> None:
    assert estimate_intervals([[0.1] * 5, []], [0.05, 0.05], estimate, np.random.default_rng) == [None, None]


@pytest.mark.parametrize("estimate", ROBUST)
def test_the_interval_of_the_hodges_lehmann_estimate_and_the_median_hold_their_truth(estimate: Estimate) -> None:
    rng = np.random.default_rng(5)
    samples = (rng.exponential(size=(1000, 12)) - np.log(2)) if estimate == "median" else rng.standard_t(2, (1000, 12))

    found = estimate_intervals([sample.tolist() for sample in samples], [0.05] * 1000, estimate, np.random.default_rng)

    held = sum(ends is not None and ends[0] <= 0 <= ends[1] for ends in found)
    assert held >= stats.binom.ppf(0.0001, 1000, 0.95)


def study(estimate: str, **comparisons: Any) -> StudyResults:
    given = {"correction": "holm", "alpha": 0.05, "estimate": estimate, **comparisons}
    return StudyResults(arms=("base", "better"), effect={"better": 0.05}, control="", comparisons=given)


def rows_of(results: StudyResults, keep: Any = lambda record: record) -> dict[str, dict[str, Any]]:
    rows = primary_rows(results.table(keep), read_plan(results.stored()))
    return {row["arm"]: row for row in rows}


def collapsing(record: Any) -> Any:
    """Under one seed the better arm ends far below on one task."""
    if record.phase == "confirm" and record.arm == "better" and record.seed == 3 and record.task == "vqa":
        return record.model_copy(update={"metrics": {name: value - 0.6 for name, value in record.metrics.items()}})
    return record


@pytest.mark.parametrize("correction", ["holm", "max_t"])
def test_a_collapsed_run_hides_a_difference_of_means_and_none_of_medians(correction: str) -> None:
    verdicts = {
        estimate: rows_of(study(estimate, correction=correction), collapsing)["better"]["verdict"]
        for estimate in ("mean", *ROBUST)
    }

    assert verdicts == {"mean": "no difference shown", "median": "better", "hodges_lehmann": "better"}


@pytest.mark.parametrize("estimate", ROBUST)
def test_a_row_has_the_estimate_with_an_interval_that_agrees_with_the_verdict(estimate: Estimate) -> None:
    row = rows_of(study(estimate), collapsing)["better"]

    assert row["difference"] == pytest.approx(0.05, abs=0.01)
    assert 0 <= row["verdict_ci_low"] < row["difference"] < row["verdict_ci_high"]
    assert row["verdict_ci_low"] <= row["diff_ci_low"] < row["diff_ci_high"] <= row["verdict_ci_high"]


@pytest.mark.parametrize("estimate", ROBUST)
def test_equivalence_is_of_the_estimate(estimate: Estimate) -> None:
    verdicts = [
        rows_of(replace(study(estimate, margin=margin), effect={}, random_seed=3))["better"]["verdict"]
        for margin in (0.03, 0.0001)
    ]

    assert verdicts == ["equivalent", "not decided"]


@pytest.mark.parametrize("estimate", ROBUST)
def test_lost_pairs_count_against_the_estimate(estimate: Estimate) -> None:
    def keep(record: Any) -> Any:
        lost = record.phase == "confirm" and record.arm == "better" and record.seed < 4
        return as_failed(record) if lost else record

    assert rows_of(study(estimate), keep)["better"]["verdict_if_worst"] != "better"


def test_joint_flips_of_signs_count_every_pattern() -> None:
    """Under max-T the median of one comparison is judged as by the sign test."""
    row = rows_of(study("median", correction="max_t"))["better"]
    signs = [sum(pattern) for pattern in product((1, -1), repeat=12)]
    assert row["p_value"] == np.mean(np.abs(signs) >= 12)
