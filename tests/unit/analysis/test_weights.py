"""Declared weights of conditions: what follows them, and what says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from scipy import stats

from ablative import analysis
from ablative.analysis.numbers.flip_intervals import flip_intervals
from ablative.analysis.numbers.statistics import sign_flip_p_value
from ablative.analysis.numbers.statistics import t_interval
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.findings import findings
from ablative.analysis.showing.tables import results_table
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

VQA_FOUR = {"task.name": {"vqa": 4.0}}
SEEDS = (1, 2, 3, 4, 5, 6)


def study(weights: Any = VQA_FOUR, **comparisons: Any) -> StudyResults:
    return StudyResults(
        effect={"clip_td": 0.03},
        comparisons={"correction": "holm", "alpha": 0.05, "weights": weights, **comparisons},
    )


def pairing(results: StudyResults, **changes: Any) -> Any:
    plan = read_plan(results.stored())
    return pairing_of(observe(results.table(**changes), plan), plan, "test/accuracy")


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def by_hand(results: StudyResults, arm: str, condition: str) -> np.ndarray:
    found = pairing(results)
    return np.array([found.of(arm, condition)[s] - found.of("no_distillation", condition)[s] for s in SEEDS])


def test_a_task_counts_as_declared_and_no_more_for_having_more_conditions() -> None:
    item = pairing(study()).pooled("clip_td")
    of_task = {
        task: np.mean([by_hand(study(), "clip_td", f"task.name={task}, task.data_fraction={f}") for f in (0.01, 0.05)])
        for task in ("snli_ve", "vqa")
    }

    assert item.difference == pytest.approx((of_task["snli_ve"] + 4 * of_task["vqa"]) / 5)
    assert item.mean - item.reference_mean == pytest.approx(item.difference)
    assert sorted(set(item.weights)) == pytest.approx([0.4, 1.6])


def test_inside_a_block_conditions_count_as_declared() -> None:
    weights = {"task.name": {"vqa": 4.0}, "task.data_fraction": {"0.01": 3.0}}
    item = pairing(study(weights)).pooled("clip_td")
    low, high = (by_hand(study(), "clip_td", f"task.name=vqa, task.data_fraction={f}") for f in (0.01, 0.05))
    blocks = [value for (task, _), value in zip(item.blocks, item.differences, strict=True) if task == "vqa"]

    assert blocks == pytest.approx((3 * low + high) / 4)
    assert sorted(set(item.weights)) == pytest.approx([0.4, 1.6])


def test_blocks_of_a_seed_are_weighted_means_and_count_alike() -> None:
    item = pairing(study(blocks="seed")).pooled("clip_td")

    assert len(item.differences) == 6 and item.weights == ()
    assert item.difference == pytest.approx(pairing(study()).pooled("clip_td").difference)


@pytest.mark.parametrize("weights", [None, {"task.name": {"vqa": 1.0}}, {"task.name": {"vqa": 2, "snli_ve": 2}}])
def test_equal_weights_change_nothing(weights: Any) -> None:
    item, plain = pairing(study(weights)).pooled("clip_td"), pairing(study(None)).pooled("clip_td")
    assert (item.weights, item.differences, item.difference) == ((), plain.differences, plain.difference)


def test_a_single_condition_and_what_is_left_of_one_task_have_no_weights() -> None:
    found = pairing(study())
    assert found.in_condition("clip_td", "task.name=vqa, task.data_fraction=0.01").weights == ()


def test_the_plain_interval_is_that_of_least_squares_with_these_weights() -> None:
    """With n values x and weights w the weighted mean's residuals are w (x - mean), of which n - 1 are free."""
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=9), rng.uniform(0.5, 3, 9)
    mean = float(weights @ values / weights.sum())
    error = np.sqrt(9 / 8 * ((weights * (values - mean)) ** 2).sum()) / weights.sum()
    half = stats.t.ppf(0.975, 8) * error

    assert t_interval(values.tolist(), weights=weights.tolist()) == pytest.approx((mean - half, mean + half))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(6, 9), st.booleans())
def test_the_interval_holds_the_values_that_the_weighted_test_does_not_reject(
    seed: int, pairs: int, inside: bool
) -> None:
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(0.5, 1.0, pairs), rng.uniform(0.2, 5, pairs)
    (ends,) = flip_intervals([(values * weights).tolist()], [0.05], generator, [weights.tolist()])
    assert ends is not None
    for end, outwards in ((ends[0], -1), (ends[1], 1)):
        at = end - outwards * 1e-6 * (1 if inside else -1)
        p_value = sign_flip_p_value((weights * (values - at)).tolist(), generator())
        assert p_value is not None and (p_value > 0.05) == inside


@pytest.mark.parametrize("correction", ["holm", "max_t", "none"])
def test_verdicts_and_margins_are_of_the_weighted_differences(correction: str, tmp_path: Path) -> None:
    results = study(correction=correction, margin=0.02)
    results.write(str(tmp_path))
    loaded = analysis.load(str(tmp_path))
    item = pairing(results).pooled("clip_td")
    row = next(
        row
        for row in loaded.effects.to_pylist()
        if (row["family"], row["metric"], row["arm"]) == ("pooled", "test/accuracy", "clip_td")
    )
    weighted = [w * d for w, d in zip(item.weights, item.differences, strict=True)]

    assert row["p_value"] == pytest.approx(sign_flip_p_value(weighted, generator()))
    ends = [[w * (d + side * 0.02) for w, d in zip(item.weights, item.differences, strict=True)] for side in (1, -1)]
    below, above = (sign_flip_p_value(end, generator()) for end in ends)
    assert below is not None and above is not None
    assert sum(ends[1]) > 0, "beyond the margin, so that equivalence has no chance"
    assert row["p_equivalent"] == 1.0 and row["difference"] == pytest.approx(item.difference)
    assert row["verdict_ci_low"] <= row["difference"] <= row["verdict_ci_high"]


def test_a_lost_pair_counts_as_its_task_does() -> None:
    def keep(record: Record) -> Record:
        lost = record.arm == "clip_td" and record.phase == "confirm" and record.seed == 2 and record.task == "vqa"
        return as_failed(record) if lost else record

    (pair,) = pairing(study(), keep=keep).pooled("clip_td").lost
    assert (pair.block, pair.weight) == (("vqa", 2), pytest.approx(1.6))


def test_the_table_the_answer_and_the_notes_say_that_pairs_are_weighted(tmp_path: Path) -> None:
    claims = {"gain": {"arm": "clip_td", "against": "no_distillation"}}
    results = study(claims=claims)
    results.write(str(tmp_path))
    loaded = analysis.load(str(tmp_path))
    row = loaded.claims.to_pylist()[0]
    contrast = next(row for row in loaded.contrasts.to_pylist() if row["condition"] == "all conditions")

    assert row["difference"] == pytest.approx(pairing(results).pooled("clip_td").difference)
    assert "weights as declared (task.name vqa 4; else 1)" in results_table(loaded, "lowshot")
    assert "12 weighted blocks of task and seed" in " ".join(answer(findings(loaded, "lowshot")))
    assert "only the difference, its intervals and its test are weighted" in contrast["note"]


def test_what_is_left_out_leaves_the_weights_of_the_others(tmp_path: Path) -> None:
    results = study()
    results.write(str(tmp_path))
    rows = analysis.load(str(tmp_path)).robustness.to_pylist()
    without = next(row for row in rows if (row["arm"], row["left_out"]) == ("clip_td", "snli_ve"))
    own = [by_hand(results, "clip_td", f"task.name=vqa, task.data_fraction={f}") for f in (0.01, 0.05)]

    assert without["difference"] == pytest.approx(np.mean(own))
