"""The result table as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ablative import analysis
from ablative.analysis.pairing.observations import observe
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.condition_grids import condition_grids
from ablative.analysis.showing.findings import against_controls
from ablative.analysis.showing.grids import control_grids
from ablative.analysis.showing.grids import headline_rows
from ablative.analysis.showing.grids import legend
from ablative.analysis.showing.grids import marked_cells
from ablative.analysis.showing.grids import pooled_grid
from ablative.analysis.showing.grids import shortfall
from ablative.analysis.showing.tables import effects_table
from ablative.analysis.showing.tables import folded
from ablative.analysis.views.effects import effects_view
from tests.helpers.results import StudyResults
from tests.unit.analysis.conftest import HOSTILE


def grids_of(study: StudyResults) -> tuple[list[list[str]], str]:
    plan = read_plan(study.stored())
    effects = effects_view(study.table(), plan).to_pylist()
    return [list(grid.columns) for grid in condition_grids(effects, plan)], legend(
        marked_cells(headline_rows(effects, "cells")), plan
    )


def test_the_primary_comparison_comes_first_and_says_its_verdicts(store_uri: str) -> None:
    text = effects_table(store_uri, "small")

    primary, by_condition = text.split("test/accuracy by condition")
    assert text.startswith("Is <b>this</b> & that safe?\n1 of 42 planned confirm trials failed")
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


def test_claims_come_first_the_strongest_before_the_others(tmp_path: Path) -> None:
    claims = {
        "over_naive": {"arm": "clip_td", "against": "naive_distillation"},
        "real_over_shuffled": {"arm": "clip_td", "against": "shuffled_teacher"},
        "low_shot": {
            "arm": "naive_distillation",
            "against": "no_distillation",
            "where": {"task.data_fraction": [0.01]},
        },
    }
    effect = {"naive_distillation": 0.03, "clip_td": 0.03}
    StudyResults(effect=effect, comparisons={"claims": claims}).write(str(tmp_path))

    lines = effects_table(str(tmp_path), "lowshot", width=200).splitlines()
    assert lines[0] == "Does distillation help when little is labelled?"
    assert lines[1].startswith("real_over_shuffled: clip_td is better than shuffled_teacher on test/accuracy, by 0.0")
    assert lines[2].startswith(
        "low_shot: naive_distillation is better than no_distillation on test/accuracy at 1 %, by"
    )
    assert lines[3].startswith("over_naive: no difference between clip_td and naive_distillation was shown")
    named = [line.split()[0] for line in lines if line.startswith((" real_over", " low_shot", " over_naive"))]
    assert named == ["real_over_shuffled", "low_shot", "over_naive"]
    titles = [
        next(i for i, line in enumerate(lines) if said in line) for said in ("Declared", "(primary", "against con")
    ]
    assert titles == sorted(titles)


def test_arms_stand_against_each_control_where_no_claim_does(tmp_path: Path) -> None:
    StudyResults(effect={"clip_td": 0.03}).write(str(tmp_path / "without"))
    claims = {"real": {"arm": "clip_td", "against": "shuffled_teacher"}}
    StudyResults(effect={"clip_td": 0.03}, comparisons={"claims": claims}).write(str(tmp_path / "with"))

    without, declared = (effects_table(str(tmp_path / name), "lowshot", width=200) for name in ("without", "with"))
    assert re.search(r"^ clip_td +shuffled_teacher +\+0\.0\d+ .* better$", without, re.MULTILINE)
    assert "clip_td is better than the control shuffled_teacher on test/accuracy, by 0.0" in without
    assert not re.search(r"^ clip_td +shuffled_teacher", declared, re.MULTILINE)
    assert re.search(r"^ naive_distillation +shuffled_teacher .* no difference shown$", declared, re.MULTILINE)


def test_many_comparisons_with_controls_are_crossed() -> None:
    arms = ("no_distillation", *(f"arm_{i}" for i in range(13)), "shuffled_teacher")
    study = StudyResults(arms=arms, effect={"arm_3": 0.05}, confirm=tuple(range(1, 10)), proposals=1)
    plan = read_plan(study.stored())
    [grid] = control_grids(against_controls(observe(study.table(), plan), plan), plan)

    assert grid.columns == ("arm less", "shuffled_teacher")
    assert len(grid.rows) == 13
    assert grid.rows[3][1].startswith("+0.04") and grid.rows[3][1].endswith("▲")


def test_conditions_that_cannot_show_anything_have_no_marks_and_say_so_once(tmp_path: Path) -> None:
    StudyResults(effect={"clip_td": 0.03}).write(str(tmp_path))

    text = effects_table(str(tmp_path), "lowshot")
    by_condition = text.split("test/accuracy by condition")[1]
    assert not any(mark in by_condition.partition("A block")[0] for mark in "▲▼=?")
    assert re.search(r" \+0\.0\d+ ± 0\.0\d+$", by_condition, re.MULTILINE)
    assert text.count("No verdicts in single conditions: the 12 comparisons there need 9 pairs each, and have 6") == 1


def test_plain_text_has_no_control_codes_and_rich_text_has(store_uri: str) -> None:
    assert "\x1b" not in effects_table(store_uri, "small")
    assert "\x1b" in effects_table(store_uri, "small", style="rich")


def test_markdown_has_rows_of_equal_width_and_no_markup_from_names(store_uri: str) -> None:
    lines = effects_table(store_uri, "small", style="markdown").splitlines()

    rows = [line for line in lines if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 2  # two widths of grids
    assert not any("<script" in re.sub(r"\\<", "", line) for line in lines)


def test_many_conditions_are_shown_a_task_at_a_time() -> None:
    conditions = {"task.name": ["vcr", "snli_ve", "vqa"], "task.data_fraction": [0.01, 0.05]}

    columns, _ = grids_of(StudyResults(conditions=conditions, confirm=(1,), proposals=1))

    assert columns == [["arm", "1 %", "5 %"]] * 3


def test_other_conditions_are_headed_by_their_field() -> None:
    columns, _ = grids_of(StudyResults(conditions={"optim.lr": [0.001, 0.1]}, confirm=(1,), proposals=1))

    assert columns == [["arm", "lr=0.001", "lr=0.1"]]


def test_the_legend_explains_exactly_the_marks_that_occur() -> None:
    _, few = grids_of(StudyResults(effect={"clip_td": 0.1}, confirm=(1, 2), proposals=1))
    _, many = grids_of(StudyResults(effect={"clip_td": 0.1}, confirm=tuple(range(1, 10)), proposals=1))

    assert "?" not in few and "▲" not in few
    assert "▲ better" in many and "not enough seeds" not in many


def test_the_legend_says_when_comparisons_could_end() -> None:
    study = StudyResults(confirm=tuple(range(1, 13)), proposals=1)
    stored = study.stored()
    seeds = {**stored["seeds"], "sequential": {"looks": [9], "spending": "pocock"}}
    plan = read_plan({**stored, "seeds": seeds})
    text = legend([], plan)
    assert "p-values corrected for looks after 9 or 12 seeds (pocock), plain intervals not" in text


def test_a_complete_study_has_no_shortfall_and_the_reference_no_difference() -> None:
    study = StudyResults(conditions={}, proposals=1)
    plan = read_plan(study.stored())
    effects = effects_view(study.table(), plan).to_pylist()

    assert shortfall(effects) == []
    assert pooled_grid(effects, plan).rows[0][2:5] == ("-", "-", "-")


def test_an_unknown_study_is_an_error_and_no_empty_table(store_uri: str) -> None:
    with pytest.raises(analysis.AnalysisError, match="small, unfinished"):
        effects_table(store_uri, "other")


def test_off_a_terminal_names_are_whole_however_long(tmp_path: Path) -> None:
    long = "a_factor_whose_name_says_everything_there_is_to_say_about_this" * 4
    StudyResults(arms=("plain", f"{long}_1", f"{long}_2"), control="", conditions={}).write(str(tmp_path))

    words = effects_table(str(tmp_path), "lowshot").split()

    assert {f"{long}_1", f"{long}_2"} <= set(words)


def test_a_name_breaks_between_its_words_where_its_column_is_narrow() -> None:
    assert folded("over_longer_training", 12) == "over_longer_\ntraining"
    assert folded("_a|b,c", 3) == "_a|\nb,c"
    assert folded("fits_here and is_left", 10) == "fits_here and is_left"
    assert folded("undivided", 4) == "undivided"  # rich cuts it: there is no place to break
    assert folded("", 4) == ""


def test_a_terminal_of_80_columns_cuts_no_word(tmp_path: Path) -> None:
    claims = {"over_naive_distillation": {"arm": "clip_td", "against": "naive_distillation"}}
    StudyResults(effect={"clip_td": 0.03}, comparisons={"claims": claims}).write(str(tmp_path))

    text = re.sub(r"\x1b\[[0-9;]*m", "", effects_table(str(tmp_path), "lowshot", style="rich", width=80))
    tables = text[text.index("Declared claims") :].partition("A block")[0]

    assert max(map(len, tables.splitlines())) <= 80
    ends = {line.strip().split("  ")[0] for line in tables.splitlines()}
    assert {"over_naive_", "distillation"} <= ends
    assert "distillatio" not in tables.split()
