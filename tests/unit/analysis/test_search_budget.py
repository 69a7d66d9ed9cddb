"""Expected best of k settings, against every choice of k, and against what new searches find."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ablative.analysis.numbers.search_budget import expected_best

VALUES = np.array([0.31, 0.5, 0.5, 0.72, 0.1, 0.44])
BUDGETS = np.arange(1, 7)


@pytest.mark.parametrize(("mode", "best"), [("max", max), ("min", min)])
def test_without_replacement_it_is_the_mean_over_every_choice_of_settings(mode, best) -> None:  # type: ignore[no-untyped-def]
    expected = [np.mean([best(chosen) for chosen in itertools.combinations(VALUES, k)]) for k in BUDGETS]

    assert expected_best(VALUES, BUDGETS, mode) == pytest.approx(expected)


@pytest.mark.parametrize(("mode", "best"), [("max", max), ("min", min)])
def test_with_replacement_it_is_the_mean_over_every_sequence_of_settings(mode, best) -> None:  # type: ignore[no-untyped-def]
    expected = [np.mean([best(drawn) for drawn in itertools.product(VALUES, repeat=k)]) for k in (1, 2, 3, 4)]

    assert expected_best(VALUES, BUDGETS[:4], mode, replacement=True) == pytest.approx(expected)


def test_one_setting_is_the_mean_and_all_are_the_best_and_more_are_unknown() -> None:
    found = expected_best(VALUES, np.array([1, 6, 7]))

    assert found[:2] == pytest.approx([VALUES.mean(), VALUES.max()])
    assert np.isnan(found[2])


def test_only_the_form_without_replacement_is_unbiased() -> None:
    """The best of 4 uniform settings is 4 / 5 on average; each search here has 6."""
    searches = np.random.default_rng(0).uniform(size=(4000, 6))
    unbiased, plug_in = (
        np.array([expected_best(search, np.array([4]), replacement=again)[0] for search in searches])
        for again in (False, True)
    )
    error = 4 * unbiased.std() / np.sqrt(len(searches))

    assert unbiased.mean() == pytest.approx(0.8, abs=error)
    assert plug_in.mean() < 0.8 - error


def test_it_stays_exact_for_long_searches() -> None:
    values = np.random.default_rng(1).normal(size=3000)

    found = expected_best(values, np.array([1, 1500, 3000]))
    assert found[[0, 2]] == pytest.approx([values.mean(), values.max()], rel=1e-9)
    assert found[0] < found[1] < found[2]
