"""A verdict that rests on one condition says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablative import analysis
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.findings import findings
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults

STUDY = StudyResults(noise=0.02, confirm=tuple(range(1, 9)))


def only_in_one_condition(record: Record) -> Record:
    """clip_td is much worse in one condition of four, and as good as any in the others."""
    bad = (
        record.arm == "clip_td" and record.phase == "confirm" and record.task == "vqa" and record.data_fraction == 0.05
    )
    if not bad:
        return record
    return record.model_copy(update={"metrics": {name: value - 0.3 for name, value in record.metrics.items()}})


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    STUDY.write(str(tmp_path), only_in_one_condition)
    return list(analysis.load(str(tmp_path)).robustness.to_pylist())


def test_each_condition_and_each_task_is_left_out_once_for_each_arm(rows: list[dict[str, Any]]) -> None:
    of_one = [(row["kind"], row["left_out"]) for row in rows if row["arm"] == "clip_td"]
    assert of_one == [
        ("condition", "task.name=snli_ve, task.data_fraction=0.01"),
        ("condition", "task.name=snli_ve, task.data_fraction=0.05"),
        ("condition", "task.name=vqa, task.data_fraction=0.01"),
        ("condition", "task.name=vqa, task.data_fraction=0.05"),
        ("task", "snli_ve"),
        ("task", "vqa"),
    ]


def test_only_without_the_condition_that_makes_it_the_verdict_is_gone(rows: list[dict[str, Any]]) -> None:
    of_arm = {row["left_out"]: row for row in rows if row["arm"] == "clip_td"}
    assert {row["verdict_of_all"] for row in of_arm.values()} == {"worse"}
    gone = [name for name, row in of_arm.items() if row["changes"]]

    assert gone == ["task.name=vqa, task.data_fraction=0.05", "vqa"]
    assert of_arm["vqa"]["n_pairs"] == 8, "a block is a seed of the task that is left"


def test_the_answer_names_the_condition(tmp_path: Path) -> None:
    STUDY.write(str(tmp_path), only_in_one_condition)
    said = answer(findings(analysis.load(str(tmp_path)), STUDY.study))
    assert "Without vqa 5 % no difference would be shown for clip_td: it rests on that condition." in said

    STUDY.write(str(tmp_path / "plain"))
    plain = answer(findings(analysis.load(str(tmp_path / "plain")), STUDY.study))
    assert not any(line.startswith("Without") for line in plain)


def test_a_study_of_one_condition_leaves_nothing_out(tmp_path: Path) -> None:
    StudyResults(conditions={}).write(str(tmp_path))
    assert analysis.load(str(tmp_path)).robustness.num_rows == 0
