from __future__ import annotations

import numpy as np
import pytest

from ablative.analysis.errors import AnalysisError
from ablative.analysis.numbers.statistics import binomial_interval
from ablative.analysis.numbers.statistics import sign_flip_p_value
from ablative.analysis.plan import read_plan
from ablative.analysis.views.seeds_needed import pairs_for
from ablative.analysis.views.seeds_needed import power_of
from ablative.analysis.views.seeds_needed import seeds_needed
from tests.helpers.results import StudyResults


def test_a_medium_effect_needs_the_thirty_four_pairs_of_the_textbooks() -> None:
    assert pairs_for(0.5, 1.0, 0.05, 0.8) == 34  # Cohen 1988: d = 0.5, two-sided, paired


@pytest.mark.parametrize("effect", [0.3, 0.8, 2.0])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 6])
def test_one_pair_less_has_too_little_power(effect: float, alpha: float) -> None:
    pairs = pairs_for(effect, 1.0, alpha, 0.8)
    assert pairs is not None
    assert power_of(pairs - 1, effect, 1.0, alpha) < 0.8 <= power_of(pairs, effect, 1.0, alpha)


def test_the_power_is_that_of_the_test_that_is_used() -> None:
    rng, studies = np.random.default_rng(5), 500
    found = sum((sign_flip_p_value(rng.normal(1.0, 1.0, 10), rng) or 1.0) <= 0.05 for _ in range(studies))
    low, high = binomial_interval(found, studies, 0.9999)
    assert low <= power_of(10, 1.0, 1.0, 0.05) <= high


def test_no_scatter_needs_what_the_test_needs_and_no_effect_is_never_found() -> None:
    assert pairs_for(0.1, 0.0, 0.05, 0.8) == 6
    assert pairs_for(1e-9, 1.0, 0.05, 0.8) is None
    assert power_of(5, 100.0, 1.0, 0.05) == 0.0  # five pairs cannot fall under 0.05


def test_a_study_is_told_the_seeds_that_its_own_scatter_asks_for() -> None:
    study = StudyResults(confirm=tuple(range(1, 10)), noise=0.01, proposals=1)
    plan = read_plan(study.stored())
    rows = seeds_needed(study.table(), plan, effect=0.01, power=0.8).to_pylist()
    assert [row["arm"] for row in rows] == [arm for arm in plan.arms if arm != plan.reference]
    for row in rows:
        assert row["sd"] > 0
        assert row["seeds"] <= row["pairs"]
        assert row["more_seeds"] == max(0, row["seeds"] - 9)
        assert row["more_seeds_to_be_sure"] >= row["more_seeds"]
        assert (row["power_now"] >= 0.8) == (row["pairs"] <= row["n_pairs"])
    larger = seeds_needed(study.table(), plan, effect=0.1, power=0.8).to_pylist()
    assert all(one["pairs"] >= other["pairs"] for one, other in zip(rows, larger, strict=True))


def test_without_two_pairs_nothing_is_known_of_the_scatter() -> None:
    study = StudyResults(confirm=(1,), proposals=1, conditions={})
    with pytest.raises(AnalysisError, match="ablate simulate"):
        seeds_needed(study.table(), read_plan(study.stored()), effect=0.01, power=0.8)
