"""Declared comparisons: the pairs they form, and the family that they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablative.analysis import load
from ablative.analysis.numbers.statistics import holm
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.page import study_page
from ablative.analysis.showing.tables import results_table
from ablative.analysis.views.claims import claims_view
from ablative.analysis.views.contrasts import contrasts_view
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

EFFECT = {"clip_td": 0.04, "naive_distillation": 0.02}
WHERE_LITTLE = {"task.data_fraction": [0.01]}


def study(**claims: dict[str, Any]) -> StudyResults:
    return StudyResults(effect=EFFECT, comparisons={"correction": "holm", "alpha": 0.05, "claims": claims})


def rows_of(results: StudyResults, keep: Any = lambda record: record) -> dict[str, dict[str, Any]]:
    rows = claims_view(results.table(keep), read_plan(results.stored())).to_pylist()
    return {row["claim"]: row for row in rows}


def value(results: StudyResults, arm: str, task: str, seed: int, metrics: tuple[str, ...], fraction: float) -> float:
    (record,) = (
        record
        for record in results.records()
        if record.phase == "confirm"
        and (record.arm, record.task, record.seed, record.data_fraction) == (arm, task, seed, fraction)
    )
    return float(np.mean([record.metrics[name] for name in metrics]))


def test_a_claim_over_everything_is_the_pooled_contrast_but_for_its_correction() -> None:
    results = study(gain={"arm": "clip_td", "against": "naive_distillation"})
    (contrast,) = (
        row
        for row in contrasts_view(results.table(), read_plan(results.stored())).to_pylist()
        if row["contrast"] == "clip_td - naive_distillation" and row["family"] == "pooled" and row["is_headline"]
    )
    row = rows_of(results)["gain"]
    for name in ("n_pairs", "difference", "diff_ci_low", "diff_ci_high", "p_value"):
        assert row[name] == pytest.approx(contrast[name])
    assert row["p_corrected"] == row["p_value"] < contrast["p_corrected"]
    assert row["comparisons"] == 1


def test_a_claim_about_some_conditions_and_splits_pairs_their_means_by_hand() -> None:
    results = study(
        shift={"arm": "clip_td", "against": "no_distillation", "where": WHERE_LITTLE, "splits": ["test_shifted"]}
    )
    metrics = {
        "snli_ve": ("test_style/accuracy",),
        "vqa": ("test_style/accuracy", "test_priors/accuracy"),
    }
    differences = [
        value(results, "clip_td", task, seed, metrics[task], 0.01)
        - value(results, "no_distillation", task, seed, metrics[task], 0.01)
        for task in ("snli_ve", "vqa")
        for seed in range(1, 7)
    ]
    row = rows_of(results)["shift"]
    assert row["n_pairs"] == 12
    assert row["difference"] == pytest.approx(np.mean(differences))
    assert row["mean"] - row["against_mean"] == pytest.approx(row["difference"])
    assert row["metrics"] == ["test_priors/accuracy", "test_style/accuracy"]
    assert row["conditions"] == ["task.data_fraction=0.01"]
    assert row["planned"] == row["completed"] == 12


def test_claims_are_corrected_among_themselves_and_known_effects_are_found() -> None:
    rows = rows_of(
        study(
            gain={"arm": "clip_td", "against": "no_distillation"},
            parts={"arm": "clip_td", "against": "naive_distillation", "where": WHERE_LITTLE},
            nothing={"arm": "shuffled_teacher", "against": "no_distillation"},
        )
    )
    assert [row["p_corrected"] for row in rows.values()] == pytest.approx(
        holm([row["p_value"] for row in rows.values()])
    )
    assert [row["verdict"] for row in rows.values()] == ["better", "better", "no difference shown"]
    assert rows["gain"]["diff_ci_low"] < 0.04 < rows["gain"]["diff_ci_high"]
    assert rows["gain"]["relative_gain"] == pytest.approx(rows["gain"]["difference"] / rows["gain"]["against_mean"])


def test_a_claim_stands_at_the_look_of_whichever_arm_stopped_first() -> None:
    results = study(
        ahead={"arm": "clip_td", "against": "naive_distillation"},
        behind={"arm": "naive_distillation", "against": "clip_td"},
    )
    stored = results.stored()
    seeds = {"search": [0], "confirm": [1, 2, 3, 4, 5, 6], "sequential": {"looks": [3, 5]}}
    cells = [{**cell, "confirm_total": 3 if cell["arm"] == "naive_distillation" else 6} for cell in stored["cells"]]
    plan = read_plan({**stored, "seeds": seeds, "cells": cells})

    ahead, behind = claims_view(results.table(), plan).to_pylist()

    looked = 2 * ahead["p_value"] / plan.spent("naive_distillation")
    assert plan.spent("naive_distillation") != plan.spent("clip_td")
    assert ahead["p_corrected"] == behind["p_corrected"] == pytest.approx(looked)
    assert ahead["pairs_needed"] == behind["pairs_needed"]


def test_failed_trials_are_counted_and_their_blocks_left_out() -> None:
    def keep(record: Record) -> Record:
        lost = record.phase == "confirm" and record.arm == "clip_td" and record.seed == 2 and record.task == "vqa"
        return as_failed(record) if lost else record

    row = rows_of(study(gain={"arm": "clip_td", "against": "no_distillation"}), keep)["gain"]
    assert (row["n_pairs"], row["failed"], row["completed"], row["missing"]) == (11, 2, 22, 0)


def test_a_split_that_was_never_seen_says_not_enough_seeds() -> None:
    row = rows_of(study(gain={"arm": "clip_td", "against": "no_distillation", "splits": ["test_shortcuts"]}))["gain"]
    assert (row["n_pairs"], row["metrics"], row["verdict"]) == (0, [], "not enough seeds")


def test_a_study_without_claims_has_none() -> None:
    assert rows_of(StudyResults()) == {}


@pytest.mark.slow
def test_the_result_table_and_the_report_show_the_claims(tmp_path: Path) -> None:
    study(gain={"arm": "clip_td", "against": "naive_distillation"}).write(str(tmp_path))
    results = load(str(tmp_path))
    for text in (results_table(results, "lowshot"), results_table(results, "lowshot", style="markdown")):
        assert "Declared claims" in text
        assert any("gain" in line and "better" in line for line in text.splitlines())
    assert study_page(results, "lowshot").grids[0].title.startswith("Declared claims")
