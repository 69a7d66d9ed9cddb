"""Performance profiles of a study's arms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ablative.analysis.plan import read_plan
from ablative.analysis.views.profiles import BARS
from ablative.analysis.views.profiles import profiles_view
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults

STUDY = StudyResults(effect={"clip_td": 0.1}, conditions={"task.name": ["snli_ve", "vqa"]})


def test_shares_are_those_of_the_score_matrix_and_fall_from_bar_to_bar() -> None:
    rows = profiles_view(STUDY.table(), read_plan(STUDY.stored())).to_pylist()
    matrix = np.array(
        [r.metrics["test/accuracy"] for r in STUDY.records() if r.phase == "confirm" and r.arm == "clip_td"]
    )
    mine = [row for row in rows if row["family"] == "pooled" and row["arm"] == "clip_td"]

    assert len(mine) == BARS and {row["n"] for row in mine} == {12}
    assert [row["above"] for row in mine] == pytest.approx([np.mean(matrix > row["bar"]) for row in mine])
    assert all(before["above"] >= after["above"] for before, after in pairwise(mine))
    assert all(row["ci_low"] <= row["above"] <= row["ci_high"] for row in mine)


def test_an_arm_that_is_better_passes_every_bar_at_least_as_often() -> None:
    rows = profiles_view(STUDY.table(), read_plan(STUDY.stored())).to_pylist()
    above = {(row["arm"], row["bar"]): row["above"] for row in rows if row["family"] == "pooled"}

    bars = {bar for _, bar in above}
    assert all(above["clip_td", bar] >= above["no_distillation", bar] for bar in bars)


def test_an_arm_without_a_value_has_a_row_that_says_so() -> None:
    table = STUDY.table(lambda r: None if r.arm == "clip_td" and r.phase == "confirm" else r)

    rows = profiles_view(table, read_plan(STUDY.stored())).to_pylist()

    (row,) = (row for row in rows if row["arm"] == "clip_td" and row["family"] == "pooled")
    assert (row["bar"], row["n"], row["missing"], row["note"]) == (None, 0, 12, "no run has a value")


def test_runs_that_differ_in_their_last_bit_only_pass_the_same_bars() -> None:
    def computed(record: Record) -> Record:
        value = {"clip_td": 0.1 + 0.2, "naive_distillation": 0.3}.get(record.arm, 0.3 + 0.1 * (record.seed > 3))
        return record.model_copy(update={"metrics": {"test/accuracy": value}})

    rows = profiles_view(STUDY.table(computed), read_plan(STUDY.stored())).to_pylist()

    lowest = {row["arm"]: row["above"] for row in rows if row["family"] == "pooled" and row["bar"] == 0.3}
    assert lowest == {"no_distillation": 0.5, "naive_distillation": 0.0, "clip_td": 0.0, "shuffled_teacher": 0.5}
