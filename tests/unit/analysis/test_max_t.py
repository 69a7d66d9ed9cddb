"""Step-down max-T over joint sign flips: exact where patterns are counted, and what arms share is used."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from scipy import stats

from ablative import analysis
from ablative.analysis.numbers.max_t import MOST_EXACT
from ablative.analysis.numbers.max_t import every_pattern
from ablative.analysis.numbers.max_t import local_levels
from ablative.analysis.numbers.max_t import max_t
from ablative.analysis.numbers.statistics import holm
from ablative.analysis.numbers.statistics import sign_flip_p_value
from ablative.analysis.plan import read_plan
from ablative.analysis.views.effects import primary_rows
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import record_table
from error_rates import by_holm
from error_rates import judged
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def of(rows: np.ndarray) -> list[dict[int, float]]:
    return [dict(enumerate(row)) for row in rows.tolist()]


def by_definition(rows: np.ndarray) -> list[float]:
    """Westfall and Young's procedure, pattern by pattern, with |t| from scipy."""

    def t(values: np.ndarray) -> np.ndarray:
        return np.abs(stats.ttest_1samp(values, 0.0, axis=1).statistic)

    observed = t(rows)
    order = np.argsort(-observed)
    hits = np.zeros(len(rows))
    patterns = list(product([1.0, -1.0], repeat=rows.shape[1]))
    for signs in patterns:
        flipped = t(rows * np.array(signs))
        for place in range(len(order)):
            hits[order[place]] += flipped[order[place:]].max() >= observed[order[place]] * (1 - 1e-9)
    adjusted, greatest = np.empty(len(rows)), 0.0
    for position in order:
        greatest = max(greatest, hits[position] / len(patterns))
        adjusted[position] = greatest
    return adjusted.tolist()


@pytest.mark.parametrize(("blocks", "comparisons"), [(5, 3), (7, 4), (8, 1)])
def test_it_is_the_procedure_as_published(blocks: int, comparisons: int) -> None:
    rows = rng().normal(0.5, 1.0, (comparisons, blocks))
    assert max_t(of(rows), rng()) == pytest.approx(by_definition(rows))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-3, 3).map(lambda x: round(x, 2)), min_size=2, max_size=9))
def test_of_one_comparison_it_is_the_sign_flip_test(differences: list[float]) -> None:
    (found,) = max_t([dict(enumerate(differences))], rng())
    assert found == pytest.approx(sign_flip_p_value(differences, rng()))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(1, 6))
def test_it_is_never_below_the_test_alone_and_orders_comparisons_by_their_t(seed: int, blocks: int, size: int) -> None:
    rows = np.random.default_rng(seed).normal(0.3, 1.0, (size, blocks))
    found = max_t(of(rows), rng())
    alone = [sign_flip_p_value(row, rng()) for row in rows.tolist()]
    assert all(p >= q - 1e-12 for p, q in zip(found, alone, strict=True) if p is not None and q is not None)
    t = np.abs(stats.ttest_1samp(rows, 0.0, axis=1).statistic)
    assert np.all(np.diff(np.array(found, dtype=float)[np.argsort(-t)]) >= -1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_comparisons_that_nobody_saw_cost_at_least_what_they_would_if_seen(
    seed: int, blocks: int, known: int, hidden: int, fewer: bool
) -> None:
    draw = np.random.default_rng(seed)
    own, others = of(draw.normal(0.8, 1.0, (known, blocks))), of(draw.normal(0.0, 1.0, (hidden, blocks)))
    others = [{block: row[block] for block in list(row)[: blocks - fewer]} for row in others]
    whole = max_t([*own, *others], rng())[:known]
    bounded = max_t(own, rng(), [blocks - fewer] * hidden)
    alone = max_t(own, rng())
    levels = local_levels(own, [0.05] * known, rng(), [blocks - fewer] * hidden)

    for p, q, least, level in zip(whole, bounded, alone, levels, strict=True):
        assert p is not None and q is not None and least is not None
        assert least <= q and p <= q + 1e-12
        assert level >= 2.0 ** (1 - blocks)


def test_the_bound_of_what_nobody_saw_is_that_of_bentkus_and_dzindzalieta() -> None:
    """Of 12 pairs that all lie alike x = sqrt(12): 2 x 3.178 (1 - Phi(3.464)) = .0017 beside 2 x 2^-12 = .0005."""
    row = [1.0] * 12
    (alone,), (beside,) = max_t(of(np.array([row])), rng()), max_t(of(np.array([row])), rng(), [12])

    assert alone == 2**-11
    assert beside == pytest.approx(alone + 2 * 3.178 * stats.norm.sf(12**0.5), rel=1e-3)


def test_six_blocks_decide_many_comparisons_where_holm_decides_none() -> None:
    rows = rng().normal(0.0, 1.0, (12, 6))
    rows[3] = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0]

    assert max_t(of(rows), rng())[3] == 2**-5
    assert holm([sign_flip_p_value(row, rng()) for row in rows.tolist()])[3] == 12 * 2**-5


def test_comparisons_that_are_one_and_the_same_cost_nothing() -> None:
    row = rng().normal(0.6, 1.0, 9)
    alone = sign_flip_p_value(row.tolist(), rng())
    assert max_t(of(np.tile(row, (20, 1))), rng()) == pytest.approx([alone] * 20)


def test_a_comparison_without_pairs_has_no_p_value_and_one_with_a_single_pair_shows_nothing() -> None:
    clear = dict.fromkeys(range(6), 1.0)
    assert max_t([clear, {}, {0: 5.0}, dict.fromkeys(range(6), 0.0)], rng()) == [2**-5, None, 1.0, 1.0]
    assert max_t([{}], rng()) == [None]


def test_missing_blocks_leave_a_comparison_its_own() -> None:
    """One that has four of eight blocks can reach the smallest p-value of four, and no less."""
    rows = rng().normal(0.0, 1.0, (3, 8))
    few = {0: 1.0, 1: 1.1, 2: 0.9, 3: 1.0}
    found = max_t([*of(rows), few], rng())[3]
    assert found is not None and found >= 2**-3


def test_drawn_patterns_agree_with_counted_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rng().normal(0.35, 1.0, (5, 14))
    counted = max_t(of(rows), rng())
    monkeypatch.setattr("ablative.analysis.numbers.max_t.MOST_EXACT", 1)
    drawn = max_t(of(rows), rng())

    assert MOST_EXACT > 5 * 2**13
    assert drawn == pytest.approx(counted, abs=0.015)  # four standard errors of 20,000 draws
    assert drawn == max_t(of(rows), rng()), "a function of the differences"


@pytest.mark.parametrize("noise", ["normal", "heavy", "discrete"])
def test_among_true_nulls_a_finding_is_as_rare_as_alpha(noise: str) -> None:
    """500 studies of 8 blocks and 4 arms against one reference, symmetric noise: at most 0.05 and three errors."""
    draw = np.random.default_rng(7)
    makers = {
        "normal": lambda: draw.normal(size=(5, 8)),
        "heavy": lambda: draw.standard_t(2, size=(5, 8)),
        "discrete": lambda: draw.integers(-2, 3, size=(5, 8)).astype(float),
    }
    found = sum(_any(max_t(of(values[1:] - values[0]), draw)) for values in (makers[noise]() for _ in range(500)))
    assert found / 500 <= 0.05 + 3 * (0.05 * 0.95 / 500) ** 0.5


def test_studies_that_are_judged_together_get_what_each_gets_alone() -> None:
    """The benchmark's way of judging thousands is the one that judges a study, missing pairs included."""
    draw = rng()
    values, missing = np.round(draw.normal(size=(5, 4, 8)), 1), draw.random((5, 4, 8)) < 0.15
    (signs,) = every_pattern(8, 128)

    together = judged(values, missing, signs, exact=True)["max_t"]

    for study, found in enumerate(together):
        pairs = values[study, 1:] - values[study, 0]
        gone = missing[study, 1:] | missing[study, 0]
        alone = [{b: v for b, v in enumerate(row) if not out[b]} for row, out in zip(pairs, gone, strict=True)]
        assert found == pytest.approx(max_t(alone, draw))


def test_holm_of_the_benchmark_is_the_one_that_judges_studies() -> None:
    rows = np.round(rng().normal(0.4, 1.0, (3, 8)), 1)
    (signs,) = every_pattern(8, 128)
    expected = holm([sign_flip_p_value(row, rng()) for row in rows.tolist()])
    assert by_holm(rows[None], signs, exact=True)[0] == pytest.approx(expected)


def test_a_comparison_without_data_yet_takes_its_part_of_alpha(tmp_path: Path) -> None:
    """A half-run study must not show more than the whole one would be allowed to."""
    study = StudyResults(effect={"clip_td": 0.05}, comparisons={"correction": "max_t", "alpha": 0.05})
    plan = read_plan(study.stored())

    def p_of(arms: Sequence[str]) -> float:
        records = [record for record in study.records() if record.arm in arms]
        row = next(row for row in primary_rows(record_table(records), plan) if row["arm"] == "clip_td")
        return float(row["p_corrected"])

    alone = p_of([study.arms[0], "clip_td"])
    assert alone == pytest.approx(2.0**-11 * (len(study.arms) - 1))
    assert p_of(study.arms) < alone


def _any(p_values: Sequence[float | None]) -> bool:
    return any(p is not None and p <= 0.05 for p in p_values)


def test_a_study_that_asks_for_it_shows_in_single_conditions_what_holm_cannot(tmp_path: Path) -> None:
    """Six seeds: Holm needs seven pairs for two comparisons in four conditions, joint sign flips need six."""
    verdicts = {}
    for correction in ("holm", "max_t"):
        study = StudyResults(
            study=correction,
            effect={"clip_td": 0.2},
            comparisons={"correction": correction, "alpha": 0.05},
        )
        study.write(str(tmp_path))
        rows = analysis.load(str(tmp_path), correction).effects.to_pylist()
        cells = [row for row in rows if row["family"] == "cells" and row["is_headline"] and row["arm"] == "clip_td"]
        verdicts[correction] = {row["verdict"] for row in cells}
        assert {row["pairs_needed"] for row in cells} == {{"holm": 9, "max_t": 6}[correction]}

    assert verdicts == {"holm": {"not enough seeds"}, "max_t": {"better"}}


def test_lost_pairs_change_sign_with_their_block(tmp_path: Path) -> None:
    """A difference that the lost trials could undo says so, as under Holm."""
    study = StudyResults(effect={"clip_td": 0.02}, comparisons={"correction": "max_t", "alpha": 0.05})

    def keep(record: Record) -> Record:
        lost = record.arm == "clip_td" and record.phase == "confirm" and record.seed in (1, 2, 3)
        return as_failed(record) if lost else record

    study.write(str(tmp_path), keep)
    (row,) = [
        row
        for row in analysis.load(str(tmp_path), study.study).effects.to_pylist()
        if (row["family"], row["arm"]) == ("pooled", "clip_td") and row["is_headline"]
    ]
    assert row["n_pairs"] == 6
    assert (row["verdict"], row["verdict_if_worst"]) != ("better", "better")
