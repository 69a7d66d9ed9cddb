"""Between arms of which none has learned anything there is no verdict, and tables and answer say which those are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ablative.analysis.plan import read_plan
from ablative.analysis.showing.report import write_report
from ablative.analysis.showing.tables import effects_table
from ablative.analysis.views.claims import claims_view
from ablative.analysis.views.contrasts import contrasts_view
from ablative.analysis.views.effects import effects_view
from ablative.orchestrator.showing.overview import print_status
from ablative.orchestrator.showing.standing import standing
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from tests.helpers.results import StudyResults

CLAIMS = {"gain": {"arm": "clip_td", "against": "no_distillation"}}
STUDY = StudyResults(
    effect={"clip_td": 0.04, "naive_distillation": 0.02}, comparisons={"claims": CLAIMS}, seed_noise=0.01, noise=0.002
)
"""Means lie near .50, .52, .54 and .50: clip_td is better than the others wherever there is a verdict."""
Keep = Callable[[Record], Record]


def majority(value: float, most_said: float = 0.6, *, arms: tuple[str, ...] = STUDY.arms) -> Keep:
    """Give the records of these arms a majority class that reaches `value` on every split."""

    def keep(record: Record) -> Record:
        if record.arm not in arms:
            return record
        beside = {f"{split}/majority_accuracy": value for split in ("val", "test")}
        said = {f"{split}/most_said": most_said for split in ("val", "test")}
        return record.model_copy(update={"metrics": {**record.metrics, **beside, **said}})

    return keep


def verdicts(keep: Keep) -> dict[str, str]:
    found = effects_view(STUDY.table(keep), read_plan(STUDY.stored())).to_pylist()
    return {r["arm"]: r["verdict"] for r in found if r["family"] == "pooled" and r["metric"] == "test/accuracy"}


def test_none_of_two_arms_below_the_majority_is_better_than_the_other() -> None:
    assert verdicts(lambda record: record)["clip_td"] == "better"
    assert verdicts(majority(0.7)) == {
        "no_distillation": "reference",
        "naive_distillation": "none has learned",
        "clip_td": "none has learned",
        "shuffled_teacher": "none has learned",
    }


def test_an_arm_that_has_learned_is_better_than_one_that_has_not() -> None:
    found = verdicts(majority(0.523))

    assert found["clip_td"] == "better"
    assert found["shuffled_teacher"] == "none has learned"


def test_an_arm_that_predicts_one_class_has_learned_nothing_whatever_it_reaches() -> None:
    assert set(verdicts(majority(0.1, most_said=1.0)).values()) == {"reference", "none has learned"}
    assert verdicts(majority(0.1, most_said=0.99))["clip_td"] == "better"


def test_records_from_before_the_majority_was_measured_are_judged_as_they_were() -> None:
    plan = read_plan(STUDY.stored())
    rows = effects_view(STUDY.table(), plan).to_pylist()

    assert {(row["majority"], row["lack"]) for row in rows} == {(None, "")}
    assert verdicts(majority(0.7, arms=("no_distillation",)))["clip_td"] == "better"


def test_claims_and_contrasts_give_no_verdict_either() -> None:
    plan, table = read_plan(STUDY.stored()), STUDY.table(majority(0.7))

    assert claims_view(table, plan)["verdict"].to_pylist() == ["none has learned"]
    pairs = [row for row in contrasts_view(table, plan).to_pylist() if row["metric"] == "test/accuracy"]
    assert {row["verdict"] for row in pairs} == {"none has learned"}
    assert all(row["p_value"] is None or row["p_value"] <= 1 for row in pairs)


def test_the_majority_is_no_result_and_stands_beside_each() -> None:
    rows = effects_view(STUDY.table(majority(0.523)), read_plan(STUDY.stored())).to_pylist()

    assert not {row["metric"] for row in rows if "majority" in row["metric"] or "most_said" in row["metric"]}
    known = [row for row in rows if row["metric"] in ("val/accuracy", "test/accuracy")]
    assert [row["majority"] for row in known] == [pytest.approx(0.523)] * len(known)
    assert {row["majority"] for row in rows if row["metric"] == "test/loss"} == {None}


def test_table_and_answer_say_who_has_learned_nothing_where(tmp_path: Path) -> None:
    STUDY.write(str(tmp_path), majority(0.523))
    text = effects_table(str(tmp_path), STUDY.study)
    answer = " ".join(text.split())

    assert (
        "no_distillation, naive_distillation and shuffled_teacher have learned nothing at snli_ve 1 % and vqa 1 % "
        "(not better than the majority class; the majority class reaches 0.523 and 0.523 on test/accuracy)."
    ) in answer
    assert "clip_td is better than no_distillation" in text
    assert (
        "No verdict between no_distillation and shuffled_teacher (control): none of these arms has learned any"
        in answer
    )
    lines = text.splitlines()
    assert any(line.split()[:3] == ["majority", "class", "0.523"] for line in lines)
    assert any("shuffled_teacher (control)" in line and "∅" in line and "none has learned" in line for line in lines)
    assert any(line.startswith("∅ has learned nothing: ") for line in lines)


def test_where_no_arm_has_learned_the_answer_says_so_and_claims_nothing(tmp_path: Path) -> None:
    STUDY.write(str(tmp_path), majority(0.7, most_said=1.0))
    text = " ".join(effects_table(str(tmp_path), STUDY.study).split())

    assert "No arm has learned anything at snli_ve 1 %, snli_ve 5 %, vqa 1 % and vqa 5 % (predicts one class;" in text
    assert "gain: neither clip_td nor no_distillation has learned anything" in text
    assert not any(word in text for word in ("better than no", "worse", "was shown"))


@pytest.mark.slow
def test_the_report_says_it_too(tmp_path: Path) -> None:
    STUDY.write(str(tmp_path / "store"), majority(0.7))
    page = write_report(str(tmp_path / "store"), STUDY.study, tmp_path / "page.html").read_text(encoding="utf-8")

    assert "No arm has learned anything at snli_ve 1 %, snli_ve 5 %, vqa 1 % and vqa 5 %" in page
    assert "majority class" in page and "none has learned" in page


def test_status_has_the_majority_beside_the_best_and_marks_who_has_learned_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = StudyResults(proposals=0, conditions={}, effect={"clip_td": 0.1}, seed_noise=0.0, noise=0.001)
    study.write(str(tmp_path / "new"), majority(0.53))
    study.write(str(tmp_path / "old"))

    def shown(name: str) -> list[str]:
        print_status(Console(width=200), standing(Store.open(str(tmp_path / name)), study.study))
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    lines = shown("new")
    assert lines[0].split() == ["cell", "search", "confirm", "failed", "best", "majority"]
    assert lines[1].split()[-3:] == ["0.5300", "done", "∅"]
    assert [line.endswith("∅") for line in lines[1:5]] == [True, True, False, True]
    assert "∅ 3 of 4 cells have learned nothing: not better than the majority class" in lines
    assert not any("majority" in line or "∅" in line for line in shown("old"))


def test_the_best_setting_of_a_search_is_what_status_looks_at(tmp_path: Path) -> None:
    settings: dict[int, dict[str, Any]] = {0: {"optim.lr": 0.1}, 1: {"optim.lr": 0.2}, 2: {"optim.lr": 0.3}}
    study = StudyResults(conditions={}, arms=("base", "clip_td"), setting=settings.__getitem__)

    def keep(record: Record) -> Record:
        below = 0.515 if record.proposal != 2 else 0.5  # the best setting reaches 0.52, the others less
        return record.model_copy(update={"metrics": {**record.metrics, "val/majority_accuracy": below}})

    study.write(str(tmp_path), keep)
    cells = standing(Store.open(str(tmp_path)), study.study).cells
    assert [(cell.best, cell.majority, cell.lack) for cell in cells] == [(pytest.approx(0.52), 0.5, "")] * 2
