"""Bootstrap intervals, against scipy's and against a loop that follows rliable's definition word by word."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ablative.analysis.numbers.bootstrap import Method
from ablative.analysis.numbers.bootstrap import bootstrap_interval
from ablative.analysis.numbers.bootstrap import over_all
from ablative.analysis.numbers.summaries import interquartile_mean
from ablative.analysis.numbers.summaries import mean
from ablative.analysis.numbers.summaries import median

SCORES = np.random.default_rng(5).normal([0.0, 10.0, 20.0], size=(30, 3))
"""Runs x tasks, as rliable takes them: tasks differ by much more than runs do."""
TASKS = list(SCORES.T)


def interval(strata: list[np.ndarray], method: Method = "percentile", seed: int = 0) -> tuple[float, float]:
    found = bootstrap_interval(strata, over_all(mean), np.random.default_rng(seed), method=method)
    assert found is not None
    return found


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_the_same_generator_gives_the_same_interval_and_another_a_like_one(method: Method) -> None:
    assert interval(TASKS, method) == interval(TASKS, method)
    assert interval(TASKS, method) != interval(TASKS, method, seed=1)
    assert interval(TASKS, method) == pytest.approx(interval(TASKS, method, seed=1), abs=0.1)


@pytest.mark.parametrize(("method", "name"), [("percentile", "percentile"), ("bca", "BCa")])
def test_one_stratum_gives_scipys_interval(method: Method, name: str) -> None:
    values = np.random.default_rng(1).exponential(size=25)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=2000, method=name, rng=np.random.default_rng(0)
    ).confidence_interval

    assert interval([values], method) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("summary", [mean, median, interquartile_mean])
def test_strata_are_rliables_stratified_bootstrap(summary) -> None:  # type: ignore[no-untyped-def]
    """Each task's runs are drawn anew, the aggregate is taken over the whole matrix, then its quantiles."""
    rng = np.random.default_rng(2)
    runs, tasks = SCORES.shape
    drawn = [
        summary(np.stack([SCORES[rng.integers(0, runs, runs), task] for task in range(tasks)], axis=1).ravel())
        for _ in range(4000)
    ]

    found = bootstrap_interval(TASKS, over_all(summary), np.random.default_rng(0), method="percentile", resamples=4000)

    width = np.diff(np.quantile(drawn, [0.025, 0.975])).item()
    assert found == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.12 * width)


def test_differences_between_tasks_do_not_widen_a_stratified_interval() -> None:
    low, high = interval(TASKS)
    mixed_low, mixed_high = interval([SCORES.ravel()])

    assert high - low < 0.3 * (mixed_high - mixed_low)


def test_bca_follows_skewness_and_percentile_intervals_do_not() -> None:
    values = np.random.default_rng(3).exponential(size=20)
    low, high = interval([values])
    shifted_low, shifted_high = interval([values], "bca")

    assert low < shifted_low and high < shifted_high


def test_too_few_or_constant_values_give_no_interval() -> None:
    rng = np.random.default_rng(0)
    one = [np.array([1.0, 2.0]), np.array([1.0])]

    assert bootstrap_interval([], over_all(mean), rng, method="percentile") is None
    assert bootstrap_interval(one, over_all(mean), rng, method="percentile") is None
    assert bootstrap_interval([np.ones(8)], over_all(mean), rng, method="bca") is None
