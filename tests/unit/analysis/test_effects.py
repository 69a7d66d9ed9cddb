"""Effects of studies whose effects are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ablative.analysis.errors import AnalysisError
from ablative.analysis.plan import read_plan
from ablative.analysis.views.effects import effects_view
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

Keep = Callable[[Record], Record | None]


def rows_of(study: StudyResults, keep: Keep = lambda record: record, **changes: Any) -> list[dict[str, Any]]:
    plan = read_plan({**study.stored(), **changes})
    return list(effects_view(study.table(keep), plan).to_pylist())


def pick(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    found = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    assert len(found) == 1, f"{len(found)} rows match {wanted}"
    return found[0]


def pooled(rows: list[dict[str, Any]], arm: str, metric: str = "test/accuracy") -> dict[str, Any]:
    return pick(rows, family="pooled", arm=arm, metric=metric)


def test_a_known_effect_is_recovered_and_shown() -> None:
    row = pooled(rows_of(StudyResults(effect={"clip_td": 0.04})), "clip_td")

    assert row["diff_ci_low"] < 0.04 < row["diff_ci_high"]
    assert row["difference"] == pytest.approx(0.04, abs=0.01)
    assert row["verdict"] == "better"
    assert row["n_pairs"] == 12


def test_a_harmful_arm_is_worse_and_an_idle_one_shows_nothing() -> None:
    rows = rows_of(StudyResults(effect={"naive_distillation": -0.04}))

    assert pooled(rows, "naive_distillation")["verdict"] == "worse"
    assert pooled(rows, "clip_td")["verdict"] == "no difference shown"
    assert pooled(rows, "no_distillation")["verdict"] == "reference"


def test_a_target_that_is_minimised_turns_the_verdict() -> None:
    assert pooled(rows_of(StudyResults(effect={"clip_td": 0.04}, mode="min")), "clip_td")["verdict"] == "worse"


def test_a_metric_without_a_stated_direction_is_only_higher_or_lower() -> None:
    rows = rows_of(StudyResults(effect={"clip_td": 0.04}))

    assert pooled(rows, "clip_td", "test/loss")["verdict"] == "lower"
    assert pooled(rows, "clip_td", "test/accuracy_heldout")["verdict"] == "better"


def test_cell_rows_equal_scipys_paired_tests() -> None:
    study = StudyResults(effect={"clip_td": 0.02})
    condition = {"task.name": "vqa", "task.data_fraction": 0.05}
    by_arm = {
        arm: [
            record.metrics["test/accuracy"]
            for record in study.records()
            if record.arm == arm
            and record.phase == "confirm"
            and record.task == "vqa"
            and record.data_fraction == 0.05
        ]
        for arm in study.arms
    }
    differences = np.subtract(by_arm["clip_td"], by_arm["no_distillation"])
    interval = stats.ttest_rel(by_arm["clip_td"], by_arm["no_distillation"]).confidence_interval(0.95)
    mean_interval = stats.ttest_1samp(by_arm["clip_td"], 0).confidence_interval(0.95)

    label = ", ".join(f"{path}={value}" for path, value in condition.items())
    row = pick(rows_of(study), arm="clip_td", condition=label, metric="test/accuracy")

    assert row["mean"] == pytest.approx(np.mean(by_arm["clip_td"]))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((mean_interval.low, mean_interval.high))
    assert row["difference"] == pytest.approx(differences.mean())
    assert (row["diff_ci_low"], row["diff_ci_high"]) == pytest.approx((interval.low, interval.high))
    assert row["relative_gain"] == pytest.approx(differences.mean() / np.mean(by_arm["no_distillation"]))
    exact = stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert row["p_value"] == pytest.approx(exact)
    assert (row["task"], row["data_fraction"], row["n"]) == ("vqa", 0.05, 6)


def test_pooling_averages_nested_subsets_inside_a_block_of_task_and_seed() -> None:
    study = StudyResults(effect={"clip_td": 0.02})
    values = {
        (record.arm, record.task, record.seed, record.data_fraction): record.metrics["test/accuracy"]
        for record in study.records()
        if record.phase == "confirm"
    }
    blocks = [
        np.mean([values["clip_td", task, seed, f] - values["no_distillation", task, seed, f] for f in (0.01, 0.05)])
        for task in ("snli_ve", "vqa")
        for seed in study.confirm
    ]

    row = pooled(rows_of(study), "clip_td")

    exact = stats.permutation_test((blocks,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert row["difference"] == pytest.approx(np.mean(blocks))
    assert row["p_value"] == pytest.approx(exact)


def test_corrections_count_the_comparisons_of_one_family_and_metric() -> None:
    rows = rows_of(StudyResults(effect={"clip_td": 0.04}))

    assert {row["comparisons"] for row in rows if row["family"] == "pooled"} == {3}
    cells = {row["metric"]: row["comparisons"] for row in rows if row["family"] == "cells"}
    assert cells["test/accuracy"] == 12
    assert cells["test_priors/accuracy"] == 6  # only vqa has that split


def test_without_correction_the_p_value_stands_as_it_is() -> None:
    study = StudyResults(effect={"clip_td": 0.04}, comparisons={"correction": "none", "alpha": 0.05})

    row = pick(
        rows_of(study), arm="clip_td", condition="task.name=vqa, task.data_fraction=0.01", metric="test/accuracy"
    )

    assert row["p_corrected"] == row["p_value"]
    assert row["pairs_needed"] == 6
    assert row["verdict"] == "better"


def test_too_few_seeds_are_named_however_large_the_difference() -> None:
    rows = rows_of(StudyResults(effect={"clip_td": 0.4}, confirm=(1, 2, 3)))

    row = pooled(rows, "clip_td")
    assert (row["n_pairs"], row["pairs_needed"]) == (6, 7)
    assert row["verdict"] == "not enough seeds"


def test_enough_seeds_in_a_cell_can_show_a_difference_there() -> None:
    rows = rows_of(StudyResults(effect={"clip_td": 0.1}, confirm=tuple(range(1, 10))))

    cells = [row for row in rows if row["family"] == "cells" and row["is_headline"] and row["arm"] == "clip_td"]
    assert [row["verdict"] for row in cells] == ["better"] * 4


def test_search_trials_never_enter_an_effect() -> None:
    def spoil(record: Record) -> Record:
        spoiled = {"val/accuracy": 99.0, "test/accuracy": 99.0}
        return record.model_copy(update={"metrics": spoiled}) if record.phase == "search" else record

    study = StudyResults(effect={"clip_td": 0.04})

    assert rows_of(study, spoil) == rows_of(study)
    assert rows_of(study, lambda record: record if record.phase == "confirm" else None) == rows_of(study)


def test_failed_and_missing_seeds_are_counted_and_unpaired() -> None:
    def lose(record: Record) -> Record | None:
        if record.phase != "confirm" or record.arm != "clip_td" or record.task != "vqa":
            return record
        return {5: None, 6: as_failed(record)}.get(record.seed, record)

    rows = rows_of(StudyResults(effect={"clip_td": 0.04}), lose)

    row = pick(rows, arm="clip_td", condition="task.name=vqa, task.data_fraction=0.01", metric="test/accuracy")
    assert (row["planned"], row["n"], row["failed"], row["missing"], row["n_pairs"]) == (6, 4, 1, 1, 4)
    total = pooled(rows, "clip_td")
    assert (total["planned"], total["completed"], total["failed"], total["missing"]) == (24, 20, 2, 2)
    assert total["n_pairs"] == 10


def test_a_value_that_is_not_finite_is_no_value() -> None:
    def break_one(record: Record) -> Record:
        broken = record.phase == "confirm" and record.arm == "clip_td" and record.seed == 1
        return record.model_copy(update={"metrics": {"test/accuracy": float("nan")}}) if broken else record

    row = pooled(rows_of(StudyResults(), break_one), "clip_td")

    assert (row["completed"], row["missing"]) == (20, 4)
    assert np.isfinite(row["mean"])


def test_records_that_the_plan_no_longer_holds_are_left_out() -> None:
    study = StudyResults(effect={"clip_td": 0.04})
    stored = study.stored()
    dropped = {record.trial_id for record in study.records() if record.phase == "confirm" and record.seed == 6}
    cells = [
        {**cell, "trials": [trial for trial in cell["trials"] if trial not in dropped]} for cell in stored["cells"]
    ]

    row = pooled(rows_of(study, cells=cells), "clip_td")

    assert (row["completed"], row["missing"]) == (20, 4)


def test_an_unfinished_study_has_its_rows_and_says_what_is_missing() -> None:
    rows = rows_of(StudyResults(), lambda record: record if record.phase == "search" else None)

    row = pooled(rows, "clip_td")
    assert (row["n"], row["missing"], row["mean"], row["p_value"]) == (0, 24, None, None)
    assert row["verdict"] == "not enough seeds"
    assert len(rows) == 4 + 16


def test_conditions_other_than_task_and_fraction_are_columns() -> None:
    study = StudyResults(conditions={"student.preset": ["uniter_tiny", "uniter_small"]})

    rows = rows_of(study)

    assert {row["student.preset"] for row in rows if row["family"] == "cells"} == {"uniter_tiny", "uniter_small"}
    assert {row["task"] for row in rows if row["family"] == "cells"} == {"snli_ve"}
    assert pooled(rows, "clip_td")["ci_low"] is not None  # one task: its level has an interval


def test_a_study_without_conditions_has_one_cell_an_arm() -> None:
    rows = rows_of(StudyResults(conditions={}, effect={"clip_td": 0.05}))

    cell = pick(rows, family="cells", arm="clip_td", metric="test/accuracy")
    assert cell["condition"] == "no conditions"
    assert cell["difference"] == pytest.approx(pooled(rows, "clip_td")["difference"])


def test_a_plan_without_a_reference_arm_is_refused() -> None:
    study = StudyResults()
    cells = [{**cell, "is_reference": False} for cell in study.stored()["cells"]]

    with pytest.raises(AnalysisError, match=r"lowshot.*cells.*reference"):
        rows_of(study, cells=cells)
