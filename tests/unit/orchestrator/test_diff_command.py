"""`ablate diff`: how two trials, arms or studies differ, from the records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.trainables.config import TrialConfig
from tests.helpers.answers import checked_answer
from tests.helpers.results import StudyResults

STUDY = StudyResults(
    conditions={"task.name": ["vqa"]}, confirm=(1, 2), arms=("plain", "wet"), effect={"wet": 0.1}, noise=0, control=""
)
WET = TrialConfig.model_validate({"student": {"dropout": 0.3}}).model_dump_json()


def configured(record: Record) -> Record:
    return record.model_copy(update={"config": WET}) if record.arm == "wet" else record


def as_other_code(record: Record) -> Record:
    changed = {"commit": "feed5678", "versions": {"torch": "2.14.0"}, "data_digest": "e" * 12, "device": "cuda"}
    return configured(record).model_copy(update={**changed, "parts": {"term/own": "1.0"}})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    STUDY.write(str(tmp_path / "store"), configured)
    return tmp_path / "store"


def ask(store: Path, *words: str) -> Result:
    return CliRunner().invoke(ablate, ["diff", *words, "--store", str(store)])


def answer(store: Path, *words: str) -> dict[str, Any]:
    return checked_answer("diff", ask(store, *words, "--json").stdout)


def confirmed(store: Path) -> dict[tuple[str, int], Record]:
    records = Store.open(str(store)).records(STUDY.study)
    return {(one.arm, one.seed): one for one in records if one.phase == "confirm"}


def test_two_arms_differ_in_the_field_that_makes_them_and_in_their_means(store: Path) -> None:
    told = answer(store, "lowshot:plain", "lowshot:wet")
    (field,) = told["configuration"]
    assert field["path"] == "student.dropout"
    assert field["second"] == [0.3]
    assert [side["kind"] for side in (told["first"], told["second"])] == ["arm", "arm"]
    assert told["data"] == told["code"] == told["environment"] == []
    (result,) = [item for item in told["result"] if item["metric"] == "test/accuracy"]
    assert result["difference"] == pytest.approx(0.1)
    assert not any(item["metric"].startswith("train/") for item in told["result"])


def test_two_trials_are_named_by_the_beginning_of_their_ids(store: Path) -> None:
    trials = confirmed(store)
    first, second = trials["plain", 1], trials["wet", 2]
    told = answer(store, first.trial_id[:8], second.trial_id)
    assert (told["first"]["name"], told["second"]["name"]) == (first.trial_id, second.trial_id)
    assert [item["path"] for item in told["configuration"]] == ["student.dropout", "seed"]
    (result,) = [item for item in told["result"] if item["metric"] == "val/accuracy"]
    assert (result["first"], result["second"]) == (first.metrics["val/accuracy"], second.metrics["val/accuracy"])


def test_two_runs_of_a_study_differ_in_data_code_and_environment(store: Path, tmp_path: Path) -> None:
    STUDY.write(str(tmp_path / "other"), as_other_code)
    told = answer(store, "lowshot", "lowshot", "--other-store", str(tmp_path / "other"))
    assert [item["path"] for item in told["data"]] == ["data_digest"]
    assert [item["path"] for item in told["code"]] == ["commit", "parts.term/own"]
    assert [(item["path"], item["first"], item["second"]) for item in told["environment"]] == [
        ("device", ["cpu"], ["cuda"]),
        ("versions.torch", ["2.13.0"], ["2.14.0"]),
    ]
    assert told["configuration"] == []
    assert {item["arm"] for item in told["result"]} == {"plain", "wet"}
    assert all(item["difference"] == 0 for item in told["result"])


def test_a_searched_field_is_marked_as_one_in_which_trials_differ_anyway(store: Path) -> None:
    def tuned(record: Record) -> Record:
        rate = 1e-4 if record.arm == "plain" else 2e-4
        text = TrialConfig.model_validate({"optim": {"lr": rate}}).model_dump_json()
        return record.model_copy(update={"config": text})

    STUDY.write(str(store), tuned)
    (field,) = answer(store, "lowshot:plain", "lowshot:wet")["configuration"]
    assert (field["path"], field["first"], field["second"], field["searched"]) == ("optim.lr", [1e-4], [2e-4], True)


def test_a_person_reads_the_sections_and_that_what_is_the_same_is_the_same(store: Path) -> None:
    lines = ask(store, "lowshot:plain", "lowshot:wet").stdout.splitlines()
    assert lines[:3] == ["- arm lowshot:plain, 5 trials", "+ arm lowshot:wet, 5 trials", "configuration:"]
    assert "  student.dropout: 0.1 -> 0.3" in lines
    assert {"data: the same", "code: the same", "environment: the same", "result:"} <= set(lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lowshot:dry", "lowshot"), "study 'lowshot': no record of an arm 'dry'; recorded are plain, wet"),
        (("ffffffff", "lowshot"), "trial 'ffffffff': store"),
        (("nothing", "lowshot"), "nothing: neither a study in store"),
    ],
)
def test_a_word_that_means_nothing_is_refused(store: Path, words: tuple[str, ...], said: str) -> None:
    result = ask(store, *words)
    assert result.exit_code == 2
    assert said in result.stderr
