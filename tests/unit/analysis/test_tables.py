"""The result table as text."""

from __future__ import annotations

import re

import pytest

import analysis
from analysis.effects import effects_view
from analysis.grids import condition_grids
from analysis.grids import legend
from analysis.grids import pooled_grid
from analysis.grids import shortfall
from analysis.plan import read_plan
from analysis.tables import effects_table
from tests.helpers.results import StudyResults
from tests.unit.analysis.conftest import HOSTILE


def grids_of(study: StudyResults) -> tuple[list[list[str]], str]:
    plan = read_plan(study.stored())
    effects = effects_view(study.table(), plan).to_pylist()
    return [list(grid.columns) for grid in condition_grids(effects, plan)], legend(effects, plan)


def test_the_primary_comparison_comes_first_and_says_its_verdicts(store_uri: str) -> None:
    text = effects_table(store_uri, "small")

    primary, by_condition = text.split("test/accuracy by condition")
    assert "primary comparison" in primary
    assert re.search(r"clip_td .*better", primary)
    assert re.search(r"1 % +5 %", by_condition)


def test_failed_trials_are_counted_below_the_table(store_uri: str) -> None:
    assert f"{HOSTILE}: 1 of 14 confirm trials failed, 0 missing" in effects_table(store_uri, "small", width=200)


def test_an_unfinished_study_has_a_table_that_claims_nothing(store_uri: str) -> None:
    text = effects_table(store_uri, "unfinished")

    assert "none recorded" in text
    assert "not enough seeds" in text
    assert "clip_td: 0 of 2 confirm trials failed, 2 missing" in text


def test_plain_text_has_no_control_codes_and_rich_text_has(store_uri: str) -> None:
    assert "\x1b" not in effects_table(store_uri, "small")
    assert "\x1b" in effects_table(store_uri, "small", style="rich")


def test_markdown_has_rows_of_equal_width_and_no_markup_from_names(store_uri: str) -> None:
    lines = effects_table(store_uri, "small", style="markdown").splitlines()

    rows = [line for line in lines if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 2  # two grids
    assert not any("<script" in re.sub(r"\\<", "", line) for line in lines)


def test_many_conditions_are_shown_a_task_at_a_time() -> None:
    conditions = {"task.name": ["vcr", "snli_ve", "vqa"], "task.data_fraction": [0.01, 0.05]}

    columns, _ = grids_of(StudyResults(conditions=conditions, confirm=(1,), proposals=1))

    assert columns == [["arm", "1 %", "5 %"]] * 3


def test_other_conditions_are_headed_by_their_field() -> None:
    columns, _ = grids_of(StudyResults(conditions={"optim.lr": [0.001]}, confirm=(1,), proposals=1))

    assert columns == [["arm", "lr=0.001"]]


def test_the_legend_explains_exactly_the_marks_that_occur() -> None:
    _, few = grids_of(StudyResults(effect={"clip_td": 0.1}, confirm=(1, 2), proposals=1))
    _, many = grids_of(StudyResults(effect={"clip_td": 0.1}, confirm=tuple(range(1, 10)), proposals=1))

    assert "need 9 pairs" in few and "▲" not in few
    assert "▲ better" in many and "not enough seeds" not in many


def test_the_legend_says_when_comparisons_could_end() -> None:
    study = StudyResults(confirm=tuple(range(1, 13)), proposals=1)
    stored = study.stored()
    seeds = {**stored["seeds"], "sequential": {"looks": [9], "spending": "pocock"}}
    plan = read_plan({**stored, "seeds": seeds})
    text = legend(effects_view(study.table(), plan).to_pylist(), plan)
    assert "p-values corrected for looks after 9 or 12 seeds (pocock), intervals not" in text


def test_a_complete_study_has_no_shortfall_and_the_reference_no_difference() -> None:
    study = StudyResults(conditions={}, proposals=1)
    plan = read_plan(study.stored())
    effects = effects_view(study.table(), plan).to_pylist()

    assert shortfall(effects) == []
    assert pooled_grid(effects, plan).rows[0][2:5] == ("-", "-", "-")


def test_an_unknown_study_is_an_error_and_no_empty_table(store_uri: str) -> None:
    with pytest.raises(analysis.AnalysisError, match="small, unfinished"):
        effects_table(store_uri, "other")
