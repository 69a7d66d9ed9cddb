"""What each command prints with `--json` is what docs/schemas says, of real runs of a simulated study."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result

from ablative.orchestrator.commands.cli import ablate
from tests.helpers.answers import checked_answer
from tests.helpers.answers import held
from tests.unit.trainables.real_layouts import make_vcr

STUDY = """
study: tried
question: Does an effect of 0.1 come out?
trainable: simulated
base: {}
arms: {listed: {helps: {effect: 0.1}}, controls: {nothing: {}}, reference: nothing}
search: {trials: 4, batch: 4, sampler: random, space: {lr: {loguniform: [0.00001, 0.01]}}, stop: {halving: {grace: 1}}}
seeds: {search: [0], confirm: 1-9}
comparisons: {margin: 0.01, claims: {gain: {arm: helps, against: nothing}}}
evaluate: [val, test]
"""


def _asked(*words: str) -> Result:
    return CliRunner().invoke(ablate, list(words))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a study that was run into two stores, where commands are typed."""
    made, before = tmp_path_factory.mktemp("json"), Path.cwd()
    (made / "tried.yaml").write_text(STUDY.replace("", ""))
    os.chdir(made)
    for store in ("one", "two"):
        done = _asked("run", "tried.yaml", "--executor", "inline", "--store", store, "-q")
        assert done.exit_code == 0, done.output
    yield made
    os.chdir(before)


def _answer(name: str, *words: str, status: int = 0) -> Any:
    done = _asked(*words, "--json")
    assert done.exit_code == status, done.output
    return checked_answer(name, done.stdout)


def test_check(folder: Path) -> None:
    sound, refused = _answer("check", "check", "tried.yaml", "quickstat", status=2)

    assert (sound["check_version"], sound["study"], sound["mistakes"]) == (1, "tried", [])
    assert [mistake["found"] for mistake in refused["mistakes"]] == ["no such study"]
    assert [checked["study"] for checked in _answer("check", "check", "quickstart", "mini_clip_td")]


def test_plan(folder: Path) -> None:
    planned = _answer("plan", "plan", "tried.yaml", "--store", "one")

    assert (planned["owed"], planned["recorded"] > 0, planned["missing"]) == (0, True, "")
    assert _answer("plan", "plan", "quickstart")["owed"] > 0


def test_run_that_only_plans_says_what_plan_says(folder: Path) -> None:
    words = ("tried.yaml", "--store", "one")

    assert _answer("plan", "run", *words, "--dry-run") == _answer("plan", "plan", *words)


def test_status(folder: Path) -> None:
    found = _answer("status", "status", "tried", "--store", "one")

    assert found["recorded"] == found["trials"] == sum(cell["search_total"] + 9 for cell in found["cells"])
    assert (found["failed"], found["declared"]["late"]) == ([], [])


def test_query_power_and_compare_print_rows_as_their_format_does(folder: Path) -> None:
    for name, words in (
        ("query", ("tried",)),
        ("query", ("tried", "select * from claims")),
        ("power", ("tried", "--effect", "0.01")),
        ("compare", ("tried", "tried", "--other-store", "two")),
    ):
        rows = _answer(name, name, *words, "--store", "one")
        assert rows
        assert rows == json.loads(_asked(name, *words, "--store", "one", "--format", "json").stdout)


def test_two_forms_at_once_are_refused(folder: Path) -> None:
    refused = _asked("query", "tried", "--store", "one", "--json", "--format", "csv")

    assert (refused.exit_code, "--json and --format csv: give one" in refused.output) == (2, True)


def test_gate_diff_and_why(folder: Path) -> None:
    gated = _answer("gate", "gate", "tried", "--store", "one", "--arm", "helps")
    assert gated["verdict"] == "better"
    assert _answer("diff", "diff", "tried:helps", "tried:nothing", "--store", "one")
    trial = json.loads(_asked("query", "tried", "select trial_id from trials", "--store", "one", "--json").stdout)[0]
    assert _answer("why", "why", "tried.yaml", trial["trial_id"], "--store", "one")["state"]


def test_simulate(folder: Path) -> None:
    found = _answer("simulate", "simulate", "quickstart", "--studies", "2", "--effect", "clip_td=0.1")

    assert found["simulate_version"] == 1 and len(found["arms"]) > 1
    assert found == json.loads(
        _asked("simulate", "quickstart", "--studies", "2", "--effect", "clip_td=0.1", "--format", "json").stdout
    )


def test_simulating_with_an_engine_prints_the_events_of_a_run(folder: Path) -> None:
    words = ("quickstart", "--engine", "inline", "--store", "simulated", "--effect", "clip_td=0.1", "-q")
    done = _asked("simulate", *words, "--json")
    events = [held("run", json.loads(line)) for line in done.stdout.splitlines()]

    assert done.exit_code == 0, done.output
    assert (events[0]["event"], events[-1]["event"]) == ("study_started", "study_ended")
    assert events[-1]["ran"] == sum(event["event"] == "trial_ended" for event in events) > 0


def test_parts_and_teachers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_CACHE", str(folder / "cache"))
    assert _answer("parts", "parts")["parts"]
    assert _answer("teacher_show", "teacher", "show")["teachers"] == []
    assert _answer("teacher_show", "teacher", "show", "quickstart", status=1)["missing"]


def test_data_check_says_why_a_data_set_is_not_fit(folder: Path) -> None:
    found = _answer("data_check", "data", "check", str(make_vcr(folder / "vcr")), "-q", status=2)

    train = next(split for split in found["splits"] if split["split"] == "train")
    assert (found["task"], found["fit"], train["examples"]) == ("vcr", False, 4)
    assert [fault["kind"] for fault in train["faults"]] == ["image missing"]


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "nowhere.yaml"),
        ("status", "nowhere"),
        ("query", "nowhere"),
        ("power", "tried", "--effect", "0.01", "--store", "none"),
        ("gate", "tried", "--arm", "no_such", "--store", "one"),
        ("teacher", "show", "nowhere.yaml"),
        ("data", "check", "nowhere", "--task", "vcr"),
        ("student", "list", "nowhere"),
    ],
)
def test_a_mistake_is_told_on_standard_error_alone(folder: Path, words: tuple[str, ...]) -> None:
    refused = _asked(*words, "--json")

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.strip()
