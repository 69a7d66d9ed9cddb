"""One number for many values."""

from __future__ import annotations

import numpy as np
import pytest

from ablative.analysis.numbers.summaries import interquartile_mean
from ablative.analysis.numbers.summaries import mean
from ablative.analysis.numbers.summaries import median

ODD_ONE = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1000.0])


def test_the_interquartile_mean_is_that_of_the_middle_half() -> None:
    assert interquartile_mean(ODD_ONE) == pytest.approx(np.mean([2, 3, 4, 5]))
    assert median(ODD_ONE) == 3.5
    assert mean(ODD_ONE) == pytest.approx(127.625)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 7, 9, 10, 11])
def test_a_number_of_values_not_divisible_by_four_loses_whole_values_only(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n) ** 3
    cut = n // 4

    assert interquartile_mean(values) == pytest.approx(np.mean(np.sort(values)[cut : n - cut]))


@pytest.mark.parametrize("summary", [mean, median, interquartile_mean])
def test_summaries_of_many_resamples_are_those_of_each(summary) -> None:  # type: ignore[no-untyped-def]
    resamples = np.random.default_rng(0).normal(size=(5, 9))

    assert summary(resamples, axis=-1) == pytest.approx([float(summary(row)) for row in resamples])
