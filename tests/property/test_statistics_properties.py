"""What must hold of every set of differences and p-values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from scipy import stats

from analysis.effects import effects_view
from analysis.plan import read_plan
from analysis.statistics import holm
from analysis.statistics import sign_flip_p_value
from analysis.statistics import t_interval
from tests.helpers.results import StudyResults

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
