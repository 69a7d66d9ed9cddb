"""The view `searches`, and what the answer says of the search: its edges, its budget, its luck."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablative.analysis.pairing.observations import observe
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.findings import findings
from ablative.analysis.showing.paper_table import paper_table
from ablative.analysis.views.results import Results
from ablative.analysis.views.results import load
from ablative.analysis.views.search_luck import search_luck
from ablative.analysis.views.searches import search_rows
from ablative.analysis.views.seed_advice import advice
from ablative.analysis.views.seeds_needed import seeds_needed
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.search_risk import risk
from tests.helpers.results import StudyResults


def plan_of(study: StudyResults, **search: Any) -> StudyPlan:
    space = {"optim.lr": {"loguniform": [1e-5, 1e-2]}}
    return read_plan({**study.stored(), "search": {"trials": 3, "space": space, **search}})


def rows_of(study: StudyResults) -> list[dict[str, Any]]:
    table, plan = study.table(), plan_of(study)
    return search_rows(table, observe(table, plan), plan)


def stored(tmp_path: Path, study: StudyResults) -> Results:
    store = Store.open(str(tmp_path))
    study.write(str(tmp_path))
    space = {"optim.lr": {"loguniform": [1e-5, 1e-2]}}
    store.write_study(study.study, {**study.stored(), "search": {"trials": 3, "space": space}})
    return load(str(tmp_path), study.study)


def test_each_search_has_a_row_that_tells_edge_and_budget() -> None:
    rows = rows_of(StudyResults())
    assert len(rows) == 16
    assert {row["settings"] for row in rows} == {3}
    assert {tuple(row["at_edge"]) for row in rows} == {
        ("optim.lr",)
    }  # each proposal is 0.01 better than the one before
    assert {row["search"] for row in rows} == {0}


def test_a_best_setting_inside_of_what_was_tried_is_at_no_edge() -> None:
    inside = StudyResults(setting=lambda proposal: {"optim.lr": (1e-4, 1e-2, 1e-3)[proposal]})
    assert {tuple(row["at_edge"]) for row in rows_of(inside)} == {()}


def test_a_gain_of_the_second_half_beyond_the_noise_of_a_trial_says_that_the_budget_was_too_small() -> None:
    quiet, noisy = rows_of(StudyResults(noise=0.0005)), rows_of(StudyResults(noise=0.2))
    assert {row["enough"] for row in quiet} == {False}
    assert {row["enough"] for row in noisy} == {True}
    assert quiet[0]["second_half"] == pytest.approx(
        0.01, rel=0.1
    )  # best of three settings 0.01 apart, less one of them


def test_the_answer_and_the_table_tell_luck_edge_and_budget(tmp_path: Path) -> None:
    results = stored(tmp_path, StudyResults(noise=0.0005))
    said = answer(findings(results, "lowshot"))
    assert any(line.startswith("In 16 of 16 searches the best optim.lr lies at the edge") for line in said)
    assert any("16 of 16 searches the second half of the settings still gained more" in line for line in said)
    luck = [line for line in said if line.startswith("With 1 search seed, about")]
    assert len(luck) == 1 and "measured on 16 searches" in luck[0]
    assert luck[0].removesuffix(".") in paper_table(results, "lowshot").notes


def test_settings_far_apart_are_no_luck_and_settings_that_only_noise_tells_apart_are() -> None:
    def share(noise: float) -> float:
        study = StudyResults(noise=noise)
        table, plan = study.table(), plan_of(study)
        found = search_luck(table, observe(table, plan), plan)
        assert found is not None
        return risk(*found)

    assert share(0.0005) < 0.06 < share(0.006)


def test_power_never_advises_confirm_seeds_alone(tmp_path: Path) -> None:
    results = stored(tmp_path, StudyResults(noise=0.006))
    needed = seeds_needed(results.observed("lowshot"), results.plan("lowshot"), effect=0.002, power=0.8)
    assert max(needed["more_seeds"].to_pylist()) > 0
    said = advice(results, "lowshot", needed)
    assert said[-1].startswith("Do not take the")
    assert "as confirm seeds alone" in said[-1]
    assert "`seeds.nested`" in said[-1]


def test_a_study_without_a_search_has_no_luck_to_tell() -> None:
    study = StudyResults(proposals=0)
    table, plan = study.table(), plan_of(study, trials=1)
    assert search_luck(table, observe(table, plan), plan) is None
    assert search_rows(table, observe(table, plan), plan) == []
