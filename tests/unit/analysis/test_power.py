from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import binom

from ablative.analysis.numbers.statistics import binomial_interval
from ablative.analysis.showing.power_table import power_table
from ablative.analysis.views.power import Tally
from tests.helpers.results import StudyResults

EFFECT = {"clip_td": 0.1, "naive_distillation": -0.1}
SIZES = {"no_distillation": 0.0, "shuffled_teacher": 0.0, **EFFECT}
STUDIES = 5


def _judged(sizes: dict[str, float], **changes: Any) -> Tally:
    """Return the tally of studies with large effects and little noise, so that every decision is certain."""
    stored = StudyResults(**changes).stored()
    cells = [{**cell, "trials": None} for cell in stored["cells"]]
    tally = Tally(sizes)
    for number in range(STUDIES):
        tally.add(
            {**stored, "cells": cells}, StudyResults(effect=EFFECT, noise=0.001, random_seed=number, **changes).table()
        )
    return tally


def test_large_effects_are_found_in_every_study_with_their_sign_and_size() -> None:
    arms = {arm.arm: arm for arm in _judged(SIZES).arms()}

    assert list(arms) == ["naive_distillation", "clip_td", "shuffled_teacher"]
    for arm, size in EFFECT.items():
        assert (arms[arm].found.count, arms[arm].wrong_sign.count, arms[arm].true_effect) == (STUDIES, 0, size)
        assert arms[arm].mean_estimate == pytest.approx(size, abs=0.002)
        assert arms[arm].bias == pytest.approx(0.0, abs=0.002)
        assert arms[arm].mean_width == pytest.approx(0.001, abs=0.001)
    assert arms["shuffled_teacher"].is_control
    assert arms["shuffled_teacher"].found.count < STUDIES


def test_a_difference_of_the_other_sign_is_no_find() -> None:
    (arm,) = (arm for arm in _judged({**SIZES, "clip_td": -0.1}).arms() if arm.arm == "clip_td")

    assert (arm.found.count, arm.wrong_sign.count, arm.covered.count) == (0, STUDIES, 0)


def test_a_difference_where_there_is_none_is_a_false_positive_of_arm_and_family() -> None:
    tally = _judged({**SIZES, "clip_td": 0.0})
    (arm,) = (arm for arm in tally.arms() if arm.arm == "clip_td")

    assert (arm.found.count, arm.wrong_sign.count, tally.any_false.count) == (STUDIES, 0, STUDIES)


def test_true_effects_are_differences_to_the_reference() -> None:
    tally = _judged({arm: size + 0.3 for arm, size in SIZES.items()})

    assert [arm.true_effect for arm in tally.arms()] == pytest.approx([-0.1, 0.1, 0.0])


def test_the_table_says_what_was_tallied() -> None:
    tally = _judged(SIZES)
    text = power_table(tally)

    assert "in 5 simulated studies" in text
    for arm in tally.arms():
        line = next(line for line in text.splitlines() if line.strip().startswith(arm.arm))
        assert f"{arm.true_effect:+.4f}" in line
        assert f"{100 * arm.found.value:.1f} %" in line
        assert arm.found.interval[0] <= arm.found.value <= arm.found.interval[1]
    assert "At least one false positive" in text


def test_too_few_seeds_are_named() -> None:
    tally = _judged(SIZES, confirm=(1, 2))

    assert all(arm.not_enough.count == STUDIES and arm.found.count == 0 for arm in tally.arms())
    assert "clip_td: not enough seeds in 100.0 % of the studies" in power_table(tally)


@pytest.mark.parametrize(("hits", "trials"), [(0, 20), (3, 20), (20, 20), (77, 100)])
def test_beyond_the_bounds_what_was_seen_is_improbable(hits: int, trials: int) -> None:
    low, high = binomial_interval(hits, trials)

    assert low <= hits / trials <= high
    assert binom.sf(hits - 1, trials, low) == pytest.approx(0.025) or hits == 0
    assert binom.cdf(hits, trials, high) == pytest.approx(0.025) or hits == trials


@pytest.mark.parametrize(("hits", "trials"), [(1, 0), (3, 2), (-1, 2)])
def test_shares_that_cannot_be_are_refused(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match="binomial_interval"):
        binomial_interval(hits, trials)
