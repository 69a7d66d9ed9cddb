"""Probability of improvement and performance profiles, against the formulas of Agarwal et al. 2021."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from ablative.analysis.numbers.improvement import Improvement
from ablative.analysis.numbers.improvement import improvements
from ablative.analysis.numbers.improvement import performance_profile
from ablative.analysis.numbers.improvement import profile_intervals
from ablative.analysis.numbers.shapes import Strata

RNG = np.random.default_rng(8)
FIRST = RNG.integers(0, 9, size=(7, 4)) / 8 + 0.1
SECOND = RNG.integers(0, 9, size=(5, 4)) / 8 + 0.1
"""Runs x tasks, with ties, and more runs of one."""


def improvement(first: Strata, second: Strata) -> Improvement:
    (found,) = improvements([(first, second)], lambda: np.random.default_rng(0))
    assert found is not None
    return found


def probability_of_improvement(first: Strata, second: Strata) -> float:
    return improvement(first, second).probability


def test_it_is_the_mean_over_tasks_of_how_often_one_run_beats_another() -> None:
    by_task = [
        np.mean([(x > y) + 0.5 * (x == y) for x, y in itertools.product(FIRST[:, task], SECOND[:, task])])
        for task in range(4)
    ]

    assert probability_of_improvement(list(FIRST.T), list(SECOND.T)) == pytest.approx(np.mean(by_task))


def test_it_is_scipys_mann_whitney_statistic_by_the_number_of_pairs() -> None:
    u_values = [stats.mannwhitneyu(FIRST[:, task], SECOND[:, task]).statistic for task in range(4)]

    assert probability_of_improvement(list(FIRST.T), list(SECOND.T)) == pytest.approx(np.mean(u_values) / 35)


def test_the_two_directions_add_up_to_one_and_an_arm_is_even_with_itself() -> None:
    mine, other = list(FIRST.T), list(SECOND.T)

    total = probability_of_improvement(mine, other) + probability_of_improvement(other, mine)
    assert total == pytest.approx(1.0)
    assert probability_of_improvement(mine, mine) == 0.5


@pytest.mark.slow
def test_its_interval_holds_it_and_draws_both_sides() -> None:
    mine, other = list(FIRST.T), list(SECOND.T)
    low, high = improvement(mine, other).interval or (None, None)
    drawn = [
        probability_of_improvement([RNG.choice(x, len(x)) for x in mine], [RNG.choice(y, len(y)) for y in other])
        for _ in range(2000)
    ]

    assert low is not None and high is not None
    assert low < probability_of_improvement(mine, other) < high
    assert (low, high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.03)
    assert (low, high) == improvement(mine, other).interval


def test_many_pairs_at_once_get_what_each_gets_alone() -> None:
    sides = [[RNG.choice(runs, size) for runs in FIRST.T] for size in (7, 5, 7, 1, 7)]
    pairs = [(mine, other) for mine in sides for other in (list(SECOND.T), sides[0])]

    together = improvements([*pairs, ([], [])], lambda: np.random.default_rng(0))

    assert together == [*(improvement(*pair) for pair in pairs), None]
    assert together[6] is not None and together[6].interval is None  # one run of a task


def test_resamples_are_those_of_scipys_bootstrap_of_the_definition() -> None:
    def definition(*strata: np.ndarray, axis: int = -1) -> np.ndarray:
        duels = [(x[..., :, None], y[..., None, :]) for x, y in zip(strata[:4], strata[4:], strict=True)]
        return np.mean([np.mean((x > y) + 0.5 * (x == y), axis=(-2, -1)) for x, y in duels], axis=0)

    expected = stats.bootstrap(
        (*FIRST.T, *SECOND.T),
        definition,
        vectorized=True,
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(0),
    ).confidence_interval

    assert improvement(list(FIRST.T), list(SECOND.T)).interval == (expected.low, expected.high)


def test_runs_that_differ_in_their_last_bit_only_are_even() -> None:
    third = 0.1 + 0.2

    assert probability_of_improvement([np.array([third, 0.3])], [np.array([0.3, third])]) == 0.5
    assert probability_of_improvement([np.array([third])], [np.array([0.3 - 1e-6])]) == 1.0


def test_a_profile_is_the_share_of_runs_above_each_bar() -> None:
    bars = [0.0, 0.35, 0.6, 1.1, 2.0]

    shares = performance_profile(list(FIRST.T), bars)

    assert shares == pytest.approx([np.mean(FIRST > bar) for bar in bars])
    assert shares[0] == 1.0 and shares[-1] == 0.0 and shares == sorted(shares, reverse=True)
    intervals = profile_intervals(list(FIRST.T), bars, np.random.default_rng(0))
    for share, found in zip(shares, intervals, strict=True):
        assert found is not None and found[0] <= share <= found[1]
