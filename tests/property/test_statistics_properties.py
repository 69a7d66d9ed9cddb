"""What must hold of every set of differences and p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from scipy import stats

from ablative.analysis.numbers.statistics import corrected
from ablative.analysis.numbers.statistics import factors_to_pass
from ablative.analysis.numbers.statistics import holm
from ablative.analysis.numbers.statistics import sign_flip_p_value
from ablative.analysis.numbers.statistics import t_interval
from ablative.analysis.pairing.paired import ALL_CONDITIONS
from ablative.analysis.pairing.paired import Paired
from ablative.analysis.pairing.verdicts import NOT_ENOUGH
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.plan import read_plan
from ablative.analysis.views.contrasts import contrasts_view
from ablative.analysis.views.effects import effects_view
from ablative.search_spaces.spending import Correction
from ablative.search_spaces.ties import levelled
from tests.helpers.results import StudyResults

PLAN = {
    "study": "many",
    "target": {"metric": "val/accuracy"},
    "seeds": {"confirm": list(range(1, 13))},
    "cells": [{"name": "base", "cell_id": "base", "arm": "base", "is_reference": True}],
}


def compared(differences: Sequence[float], arm: str = "arm") -> Paired:
    """Return a comparison that is judged, of an arm with the plain student."""
    return Paired(
        metric="test/accuracy",
        family="pooled",
        condition=ALL_CONDITIONS,
        arms=(arm, "base"),
        blocks=tuple(("", seed) for seed in range(len(differences))),
        differences=tuple(differences),
        lost=(),
        planned_pairs=12,
        planned=24,
        completed=24,
        failed=0,
        missing=0,
    )


DIFFERENCES = st.lists(st.integers(-200, 200).map(lambda value: value / 1000), min_size=1, max_size=10)
P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def p_value(differences: list[float]) -> float:
    found = sign_flip_p_value(differences, np.random.default_rng(0))
    assert found is not None
    return found


@given(DIFFERENCES, st.data())
def test_p_value_does_not_depend_on_order_sign_or_unit(differences: list[float], data: st.DataObject) -> None:
    expected = p_value(differences)

    assert p_value(data.draw(st.permutations(differences))) == expected
    assert p_value([-value for value in differences]) == expected
    assert p_value([100 * value for value in differences]) == expected


@given(DIFFERENCES)
def test_p_value_lies_between_that_of_perfect_agreement_and_one(differences: list[float]) -> None:
    assert 2.0 ** (1 - len(differences)) <= p_value(differences) <= 1.0


@given(P_VALUES)
def test_holm_keeps_the_order_and_only_raises_at_most_to_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)

    assert all(before <= after for before, after in zip(p_values, adjusted, strict=True) if after is not None)
    assert all(after <= min(1.0, len(p_values) * before) for before, after in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert list(np.take(adjusted, order)) == sorted(adjusted)


@given(
    st.lists(st.sampled_from([0.001, 0.004, 0.01, 0.0125, 0.02, 0.025, 0.05, 0.2, 1.0]), min_size=1, max_size=8),
    st.sampled_from(["holm", "benjamini_hochberg", "none"]),
)
def test_a_comparison_passes_as_soon_as_its_p_value_falls_to_alpha_by_its_factor(
    p_values: list[float], correction: Correction
) -> None:
    for place, factor in enumerate(factors_to_pass(p_values, correction, 0.05)):
        for scale, passes in ((1 - 1e-9, True), (1 + 1e-6, False)):
            others = [scale * 0.05 / factor if at == place else p for at, p in enumerate(p_values)]
            adjusted = corrected(others, correction)[place]
            assert adjusted is not None and (adjusted <= 0.05) == passes


SAMPLES = st.lists(
    st.lists(st.integers(-3, 9).map(lambda value: value / 100), min_size=0, max_size=12), min_size=1, max_size=6
)


@settings(deadline=None)
@given(SAMPLES, st.sampled_from(["auto", "holm", "max_t", "benjamini_hochberg", "none"]))
def test_no_verdict_contradicts_the_numbers_of_pairs_beside_it(samples: list[list[float]], correction: str) -> None:
    """Whatever differing numbers of pairs the comparisons have: shown, possible but not shown, or not possible."""
    plan = read_plan({**PLAN, "comparisons": {"correction": correction, "alpha": 0.05}})
    family = [compared(sample) for sample in samples]

    for sample, said in zip(samples, judge(family, plan, has_merit=True), strict=True):
        if said.verdict == NOT_ENOUGH:
            assert len(sample) < said.pairs_needed
            assert said.p_corrected is None or said.p_corrected > 0.05
        else:
            assert len(sample) >= said.pairs_needed and said.p_corrected is not None
            assert (said.p_corrected <= 0.05) == (said.verdict in SHOWN)


def test_the_others_that_pass_lower_what_the_last_one_needs() -> None:
    """Four arms have 12 pairs, the fifth has 6 that all agree: Holm's last step asks for 2^-5 <= 0.05, not 5 times."""
    family = [compared((0.02,) * 12) for _ in range(4)]
    few = compared((0.03,) * 6, "late")

    *_, last = judge([*family, few], read_plan(PLAN), has_merit=True)

    assert (last.p_corrected, last.pairs_needed, last.verdict) == (2.0**-5, 6, "better")
    *_, first = judge(
        [*(replace(item, differences=(0.02, -0.02) * 6) for item in family), few], read_plan(PLAN), has_merit=True
    )
    assert (first.pairs_needed, first.verdict) == (8, NOT_ENOUGH)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-50, 50).map(lambda value: value / 1000), min_size=11, max_size=14))
def test_counting_patterns_half_by_half_counts_each_once(differences: list[float]) -> None:
    signs = np.array(np.meshgrid(*[[1.0, -1.0]] * len(differences))).reshape(len(differences), -1)
    sums = np.abs(np.array(differences) @ signs)

    assert p_value(differences) == np.mean(sums >= abs(sum(differences)) - 1e-9)


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_numbers_that_differ_in_their_last_bits_only_are_levelled(values: list[int], random: Random) -> None:
    exact = np.array(values) / 10
    computed = exact * np.array([1 + random.choice([-1, 0, 1]) * 2.0**-52 for _ in values])

    found = levelled(computed)

    assert found == pytest.approx(exact, rel=1e-15, abs=0)
    assert [[a == b for a in found] for b in found] == [[a == b for a in values] for b in values]


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12))
def test_interval_is_centred_on_the_mean(values: list[float]) -> None:
    interval = t_interval(values)

    assert interval is not None
    assert sum(interval) / 2 == pytest.approx(np.mean(values), abs=1e-9)


def test_without_any_effect_few_differences_are_shown() -> None:
    """The share of studies with at least one false difference stays below alpha, within chance."""
    studies, false = 40, 0
    for number in range(studies):
        study = StudyResults(
            arms=("base", "a", "b"), conditions={}, confirm=range(1, 9), proposals=0, random_seed=number
        )
        effects = effects_view(study.table(), read_plan(study.stored())).to_pylist()
        primary = [row for row in effects if row["family"] == "pooled" and row["is_headline"]]
        false += any(row["verdict"] in ("better", "worse") for row in primary)

    assert false <= stats.binom.ppf(0.9999, studies, 0.05)


def test_single_tests_reject_a_true_null_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    tests = 2000
    rejected = sum(p_value(list(rng.standard_t(3, 8))) <= 0.05 for _ in range(tests))
    share = np.floor(0.05 * 2**7) / 2**7  # the largest attainable level not above alpha

    low, high = stats.binom.interval(0.9999, tests, share)
    assert low <= rejected <= high


@settings(max_examples=3, deadline=None)
@given(st.permutations(["naive_distillation", "clip_td", "shuffled_teacher"]), st.integers(0, 99))
def test_relabelling_arms_permutes_the_contrasts_and_turns_none_but_their_signs(
    names: list[str], random_seed: int
) -> None:
    study = StudyResults(effect={"clip_td": 0.05}, conditions={}, proposals=0, random_seed=random_seed)
    new_name = dict(zip(study.arms, ["no_distillation", *names], strict=True))
    stored = study.stored()
    renamed = {**stored, "cells": [{**cell, "arm": new_name[cell["arm"]]} for cell in stored["cells"]]}

    before = contrasts_view(study.table(), read_plan(stored)).to_pylist()
    after = contrasts_view(study.table(), read_plan(renamed)).to_pylist()

    said = ("difference", "p_value", "p_wilcoxon", "p_corrected", "improvement", "bca_ci_low", "verdict", "note")
    expected = {(new_name[row["arm"]], new_name[row["other"]], row["metric"], row["family"]): row for row in before}
    for row in after:
        was = expected[row["arm"], row["other"], row["metric"], row["family"]]
        assert [row[name] for name in said] == [was[name] for name in said]


@settings(max_examples=6, deadline=None)
@given(st.permutations(["no_distillation", "naive_distillation", "clip_td", "shuffled_teacher"]), st.integers(0, 99))
def test_relabelling_arms_permutes_the_effects_and_changes_nothing_else(names: list[str], random_seed: int) -> None:
    study = StudyResults(effect={"clip_td": 0.05}, conditions={}, proposals=0, random_seed=random_seed)
    new_name = dict(zip(study.arms, names, strict=True))
    stored = study.stored()
    renamed = {**stored, "cells": [{**cell, "arm": new_name[cell["arm"]]} for cell in stored["cells"]]}

    before = effects_view(study.table(), read_plan(stored)).to_pylist()
    after = effects_view(study.table(), read_plan(renamed)).to_pylist()

    names_in = ("arm", "reference")
    expected = [{**row, **{name: new_name[row[name]] for name in names_in}} for row in before]
    assert after == expected
