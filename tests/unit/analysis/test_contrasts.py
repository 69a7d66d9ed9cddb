"""Every pair of arms: against scipy, against `effects`, and what is said of few or failed trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from ablative.analysis.numbers.statistics import holm
from ablative.analysis.plan import read_plan
from ablative.analysis.views.contrasts import contrasts_view
from ablative.analysis.views.effects import effects_view
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

STUDY = StudyResults(effect={"clip_td": 0.04, "naive_distillation": 0.02})


def rows_of(study: StudyResults, keep: Any = lambda record: record, **changes: Any) -> list[dict[str, Any]]:
    return list(contrasts_view(study.table(keep), read_plan({**study.stored(), **changes})).to_pylist())


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return rows_of(STUDY)


def headline(rows: list[dict[str, Any]], family: str = "pooled") -> dict[tuple[str, str], dict[str, Any]]:
    found = [row for row in rows if row["is_headline"] and row["family"] == family]
    return {(row["contrast"], row["condition"]): row for row in found}


def test_every_pair_has_one_row_and_pairs_with_the_reference_agree_with_effects(rows: list[dict[str, Any]]) -> None:
    effects = effects_view(STUDY.table(), read_plan(STUDY.stored())).to_pylist()
    same = ("n_pairs", "difference", "diff_ci_low", "diff_ci_high", "p_value")

    assert len(headline(rows)) == 6 and len(headline(rows, "cells")) == 24
    for row in rows:
        if row["other"] == "no_distillation":
            (twin,) = (
                effect
                for effect in effects
                if all(effect[name] == row[name] for name in ("arm", "metric", "condition", "family"))
            )
            assert [row[name] for name in same] == pytest.approx([twin[name] for name in same])
            assert row["p_corrected"] >= twin["p_corrected"]


def test_p_values_are_corrected_over_all_pairs(rows: list[dict[str, Any]]) -> None:
    for family in ("pooled", "cells"):
        found = list(headline(rows, family).values())

        assert [row["p_corrected"] for row in found] == pytest.approx(holm([row["p_value"] for row in found]))
        assert {row["comparisons"] for row in found} == {len(found)}


def test_numbers_of_one_condition_are_scipys() -> None:
    study = StudyResults(effect={"clip_td": 0.02}, conditions={}, confirm=range(1, 13))
    by_arm = {
        arm: np.array([r.metrics["test/accuracy"] for r in study.records() if r.phase == "confirm" and r.arm == arm])
        for arm in study.arms
    }
    first, second = by_arm["clip_td"], by_arm["naive_distillation"]
    row = headline(rows_of(study))["clip_td - naive_distillation", "all conditions"]

    assert row["p_wilcoxon"] == pytest.approx(stats.wilcoxon(first, second).pvalue)
    assert row["median_difference"] == pytest.approx(np.median(first - second))
    assert row["iqm_difference"] == pytest.approx(stats.trim_mean(first - second, 0.25))
    assert row["improvement"] == pytest.approx(stats.mannwhitneyu(first, second).statistic / 144)
    assert row["improvement_ci_low"] < row["improvement"] < row["improvement_ci_high"]
    assert row["bca_ci_low"] == pytest.approx(row["diff_ci_low"], abs=0.005)
    assert row["bca_ci_high"] == pytest.approx(row["diff_ci_high"], abs=0.005)


def test_two_arms_that_both_differ_from_the_reference_are_told_apart(rows: list[dict[str, Any]]) -> None:
    row = headline(rows)["clip_td - naive_distillation", "all conditions"]

    assert row["verdict"] == "better"
    assert row["diff_ci_low"] < 0.02 < row["diff_ci_high"]
    assert row["improvement"] > 0.5


def test_where_less_is_better_improvement_is_downwards() -> None:
    rows = rows_of(StudyResults(effect={"clip_td": 0.04}, mode="min"))

    row = headline(rows)["clip_td - no_distillation", "all conditions"]
    assert row["verdict"] == "worse" and row["improvement"] < 0.5


def test_the_table_is_a_function_of_the_records(rows: list[dict[str, Any]]) -> None:
    assert rows_of(STUDY) == rows


def test_only_the_targets_metric_is_contrasted_on_the_splits_that_have_it(rows: list[dict[str, Any]]) -> None:
    splits = {row["split"] for row in rows}

    assert splits == {"test", "test_priors", "test_style", "val"}
    assert {row["metric"].partition("/")[2] for row in rows} == {"accuracy"}


def test_failed_and_missing_trials_are_counted_and_said() -> None:
    def keep(record: Record) -> Record | None:
        if record.arm == "clip_td" and record.phase == "confirm" and record.task == "vqa":
            if record.seed == 3:
                return None
            return as_failed(record) if record.seed == 2 else record
        return record

    row = headline(rows_of(STUDY, keep))["clip_td - no_distillation", "all conditions"]

    assert (row["planned"], row["completed"], row["failed"], row["missing"]) == (48, 44, 2, 2)
    assert row["n_pairs"] == 10
    assert row["note"].startswith("2 of 12 blocks left out: an arm has no value there")


def test_intervals_of_few_pairs_say_so_and_no_pair_gives_no_number(rows: list[dict[str, Any]]) -> None:
    few = next(iter(headline(rows, "cells").values()))
    assert few["n_pairs"] == 6 and "bootstrap intervals of 6 pairs are too narrow" in few["note"]

    none = rows_of(STUDY, lambda record: record if record.phase == "search" else None)
    for row in headline(none).values():
        assert row["n_pairs"] == 0 and row["missing"] == row["planned"] == 48
        assert row["difference"] is None and row["p_value"] is None and row["p_wilcoxon"] is None
        assert row["verdict"] == "not enough seeds"


def test_a_comparison_that_ended_at_a_look_pays_for_it() -> None:
    sequential = {"search": [0], "confirm": [1, 2, 3, 4, 5, 6], "sequential": {"looks": [3], "spending": "pocock"}}

    once, looked = (headline(rows_of(STUDY, **more)) for more in ({}, {"seeds": sequential}))

    key = ("clip_td - no_distillation", "all conditions")
    assert looked[key]["p_value"] == once[key]["p_value"]
    assert looked[key]["p_corrected"] > once[key]["p_corrected"]


def test_seeds_that_an_arm_was_spared_at_a_look_are_not_left_out() -> None:
    stored = STUDY.stored()
    cells = [{**cell, "confirm_total": 3 if cell["arm"] == "clip_td" else 6} for cell in stored["cells"]]

    def keep(record: Record) -> Record | None:
        spared = record.arm == "clip_td" and record.phase == "confirm" and record.seed > 3
        return None if spared else record

    row = headline(rows_of(STUDY, keep, cells=cells))["clip_td - no_distillation", "all conditions"]

    assert row["n_pairs"] == 6 and row["missing"] == 0
    assert "left out" not in row["note"]
