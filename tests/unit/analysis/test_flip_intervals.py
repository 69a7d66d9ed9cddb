"""Intervals that go with verdicts: what the sign-flip test does not reject, at the level that correction leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.analysis.numbers.flip_intervals import flip_intervals
from ablative.analysis.numbers.max_t import local_levels
from ablative.analysis.numbers.statistics import sign_flip_p_value
from ablative.analysis.numbers.statistics import t_interval
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.views.claims import claims_view
from ablative.analysis.views.contrasts import contrasts_view
from ablative.analysis.views.effects import effects_view
from tests.helpers.results import StudyResults

DARWIN = (49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48)
"""Crossed less self-fertilised maize in eighths of an inch; Fisher 1935, The Design of Experiments, section 21."""


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def interval(differences: Sequence[float], alpha: float = 0.05) -> tuple[float, float] | None:
    return flip_intervals([differences], [alpha], rng)[0]


def p_of(differences: Sequence[float]) -> float:
    found = sign_flip_p_value(differences, rng())
    assert found is not None
    return found


def test_on_darwins_maize_test_and_intervals_are_the_published_ones() -> None:
    """Fisher counts 1,726 of 32,768 patterns; R's `t.test` gives 0.003899165 to 5.229434169 inches."""
    assert p_of(DARWIN) == 1726 / 2**15
    assert t_interval(DARWIN) == pytest.approx((8 * 0.003899165, 8 * 5.229434169), abs=1e-7)

    low, high = interval(DARWIN) or (1.0, 0.0)

    assert low < 0 < high, "as p is .053, though the t-interval leaves 0 out"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-40, 60), min_size=6, max_size=11), st.sampled_from([0.05, 0.05 / 3, 0.2]))
def test_just_outside_its_ends_the_test_rejects_and_just_inside_it_does_not(values: list[int], alpha: float) -> None:
    ends = interval(values, alpha)
    if ends is None:
        assert 2.0 ** (1 - len(values)) > alpha
        return
    for end, outwards in zip(ends, (-1e-6, 1e-6), strict=True):
        assert p_of([value - end - outwards for value in values]) <= alpha
        assert p_of([value - end + outwards for value in values]) > alpha or ends[0] == ends[1]


def test_beyond_the_exact_limit_patterns_are_drawn_and_the_ends_hardly_move() -> None:
    values = rng().normal(0.5, 1.0, 24)
    low, high = interval(values.tolist()) or (0.0, 0.0)

    assert p_of((values - low + 0.02).tolist()) < 0.05 < p_of((values - low - 0.02).tolist())
    assert (low, high) == pytest.approx(t_interval(values.tolist()), abs=0.06)
    assert interval(values.tolist()) == (low, high), "a function of the differences"


def test_five_pairs_can_reject_nothing_so_that_there_is_no_interval() -> None:
    assert flip_intervals([[1.0, 2.0, 3.0, 4.0, 5.0], []], [0.05, 0.05], rng) == [None, None]


def test_alone_a_comparison_keeps_the_level_of_its_own_test() -> None:
    """Of 6 pairs 1 pattern of 32 may count, of 8 pairs 6 of 128."""
    for size, level in ((6, 1 / 32), (8, 6 / 128)):
        sample = dict(enumerate(rng().normal(size=size).tolist()))
        assert local_levels([sample], [0.05], rng()) == [level]


def test_the_more_comparisons_the_lower_the_level_that_is_left_to_each() -> None:
    rows = rng().normal(size=(12, 10))
    levels = [local_levels([dict(enumerate(row)) for row in rows[:many]], [0.05] * many, rng()) for many in (1, 4, 12)]
    assert levels[0][0] > np.mean(levels[1]) > np.mean(levels[2]) > 0.05 / 24


CORRECTIONS = ("auto", "holm", "max_t", "benjamini_hochberg", "none")


def study(correction: str, random_seed: int, margin: float | None = None) -> tuple[StudyResults, StudyPlan]:
    claims = {"gain": {"arm": "clip_td", "against": "no_distillation", "where": {"task.name": ["vqa"]}}}
    comparisons = {"correction": correction, "alpha": 0.05, "claims": claims, "margin": margin}
    found = StudyResults(
        effect={"clip_td": 0.012, "naive_distillation": 0.004},
        comparisons=comparisons,
        proposals=0,
        random_seed=random_seed,
    )
    return found, read_plan(found.stored())


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_no_interval_contradicts_the_verdict_beside_it(correction: str) -> None:
    seen = set()
    for random_seed in range(4):
        results, plan = study(correction, random_seed, margin=0.008)
        table = results.table()
        views = (effects_view(table, plan), contrasts_view(table, plan), claims_view(table, plan))
        rows = [row for view in views for row in view.to_pylist() if row["verdict_ci_low"] is not None]
        for row in rows:
            low, high = row["verdict_ci_low"], row["verdict_ci_high"]
            seen.add(row["verdict"])
            assert low <= row["difference"] <= high or row["verdict"] == "equivalent"
            if row["verdict"] in SHOWN:
                assert low >= 0 or high <= 0
            else:
                assert low <= 0 <= high
            if row["verdict"] == "equivalent":
                assert -0.008 <= low and high <= 0.008
    assert {"better", "not decided"} <= seen


def test_the_plain_interval_stays_beside_it_and_may_say_more() -> None:
    results, plan = study("holm", 0)
    rows = [row for row in effects_view(results.table(), plan).to_pylist() if row["verdict_ci_low"] is not None]

    assert {row["metric"] for row in rows} == {plan.headline}
    judged, plain = (
        sum(row[f"{kind}_high"] - row[f"{kind}_low"] for row in rows) for kind in ("verdict_ci", "diff_ci")
    )
    assert judged > 1.1 * plain
