"""`ablate gate`: a verdict at a share of one error probability, its exit status, and what it says to whom."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from click.testing import Result

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from tests.helpers.answers import checked_answer
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed
from tests.helpers.sources import ROOT

SEEDS = tuple(range(1, 9))
STUDY = StudyResults(
    effect={"clip_td": 0.06, "naive_distillation": -0.06}, noise=0.003, confirm=SEEDS, control="", proposals=1
)
"""Arms against the first one: clip_td better, naive_distillation worse, shuffled_teacher the same."""


def ask(store: Path, *words: str) -> Result:
    return CliRunner().invoke(ablate, ["gate", STUDY.study, "--store", str(store), *words])


def answer(store: Path, *words: str) -> dict[str, Any]:
    return checked_answer("gate", ask(store, *words, "--json").stdout)


def other_run(folder: Path, keep: Callable[[Record], Record | None] = lambda record: record, **changes: Any) -> Path:
    """Write the same study as other code ran it: the same trials by their ids, other values."""
    known = {name: getattr(STUDY, name) for name in ("noise", "confirm", "control", "proposals")}
    StudyResults(**{**known, **changes}).write(str(folder), keep)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    STUDY.write(str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.mark.parametrize(
    ("words", "verdict", "status"),
    [
        (["--arm", "clip_td"], "better", 0),
        (["--arm", "shuffled_teacher", "--margin", "0.02"], "equal", 3),
        (["--arm", "naive_distillation"], "worse", 4),
        (["--arm", "shuffled_teacher"], "not decided", 5),
        (["--arm", "shuffled_teacher", "--against", "naive_distillation"], "better", 0),
    ],
)
def test_each_verdict_has_an_exit_status(store: Path, words: list[str], verdict: str, status: int) -> None:
    result = ask(store, *words, "--json")
    told = json.loads(result.stdout)
    assert (told["verdict"], told["exit_status"], result.exit_code) == (verdict, status, status)


def test_less_is_better_where_the_study_minimises(tmp_path: Path) -> None:
    StudyResults(effect={"clip_td": 0.06}, noise=0.003, confirm=SEEDS, mode="min").write(str(tmp_path))
    assert answer(tmp_path, "--arm", "clip_td")["verdict"] == "worse"


def test_the_next_proposal_spends_the_next_share_and_the_same_records_spend_none(store: Path) -> None:
    first = answer(store, "--arm", "clip_td", "--alpha", "0.1", "--proposals", "4")["ledger"]
    second = answer(store, "--arm", "naive_distillation")["ledger"]
    again = answer(store, "--arm", "clip_td")["ledger"]
    assert [ledger["number"] for ledger in (first, second, again)] == [1, 2, 1]
    assert again == {**first, "asked_before": True}
    assert (second["alpha"], second["proposals"], second["asked_before"]) == (0.1, 4, False)
    assert len(list((store / "gates/lowshot").iterdir())) == 2


def test_a_ledger_may_lie_elsewhere_and_is_then_no_study_there(store: Path, tmp_path: Path) -> None:
    told = answer(store, "--arm", "clip_td", "--ledger", str(tmp_path / "book"))
    assert told["ledger"]["uri"] == str(tmp_path / "book")
    assert not (store / "gates").exists()
    assert Store.open(str(tmp_path / "book")).studies() == []


def test_another_margin_is_another_question(store: Path) -> None:
    numbers = [
        answer(store, "--arm", "shuffled_teacher", "--margin", margin)["ledger"]["number"]
        for margin in ("0.02", "0.03")
    ]
    assert numbers == [1, 2]


@pytest.mark.slow
def test_other_code_is_compared_with_the_baseline_and_spends_from_the_baselines_ledger(
    store: Path, tmp_path: Path
) -> None:
    def faster(record: Record) -> Record:
        return record.model_copy(update={"commit": "feed5678", "identity_version": 2})

    proposal = other_run(tmp_path / "proposal", faster, effect=dict.fromkeys(STUDY.arms, 0.04))
    told = answer(proposal, "--arm", "no_distillation", "--baseline", str(store))
    assert told["verdict"] == "better"
    assert told["ledger"]["uri"] == str(store)
    assert "commit: abc1234 in baseline, feed5678 in proposal" in told["differs"]
    # Other values of the same trial ids are another proposal.
    worse = other_run(tmp_path / "worse", faster, effect=dict.fromkeys(STUDY.arms, -0.2))
    told = answer(worse, "--arm", "no_distillation", "--baseline", str(store))
    assert (told["verdict"], told["ledger"]["number"]) == ("worse", 2)


def test_a_proposal_that_saw_other_data_is_refused_and_spends_nothing(store: Path, tmp_path: Path) -> None:
    proposal = other_run(tmp_path / "other", lambda record: record.model_copy(update={"data_digest": "e" * 12}))
    result = ask(proposal, "--arm", "clip_td", "--baseline", str(store))
    assert result.exit_code == 2
    assert "other data: data_digest" in result.stderr
    assert not (store / "gates").exists()


def test_a_half_run_proposal_is_not_looked_at(tmp_path: Path) -> None:
    STUDY.write(str(tmp_path), lambda record: None if (record.arm, record.seed) == ("clip_td", 8) else record)
    result = ask(tmp_path, "--arm", "clip_td")
    assert result.exit_code == 2
    assert "4 of the 64 confirm trials that would be compared are owed; `ablate run` them first" in result.stderr
    assert not (tmp_path / "gates").exists()


def test_too_few_pairs_for_the_share_are_refused_without_a_figure(store: Path) -> None:
    result = ask(store, "--arm", "clip_td", "--proposals", "1000", "--alpha", "0.01")
    assert result.exit_code == 2
    assert "16 pairs of clip_td" in result.stderr and "confirm with 9 seeds" in result.stderr
    assert not (store / "gates").exists()


def test_a_gain_that_failed_trials_may_hide_is_not_decided(tmp_path: Path) -> None:
    def unlucky(record: Record) -> Record:
        return as_failed(record) if record.arm == "clip_td" and record.seed > 4 else record

    STUDY.write(str(tmp_path), unlucky)
    told = answer(tmp_path, "--arm", "clip_td", "--proposals", "1")
    assert told["lost_pairs"] == 8
    assert told["verdict"] == "not decided"
    assert told["reason"] == "better in the pairs there are, but not if the 8 lost ones had gone against it"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arm", "no_such"], "--arm no_such: study lowshot has no such arm; it has no_distillation"),
        (["--arm", "no_distillation"], "it is what it would be compared with; give --against or --baseline"),
        (["--arm", "clip_td", "--against", "x", "--baseline", "y"], "--against and --baseline: give one"),
        (["--arm", "clip_td", "--baseline", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_question_is_refused(store: Path, words: list[str], said: str) -> None:
    result = ask(store, *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_pull_request_gets_the_verdict_what_it_rests_on_and_what_differs(store: Path, tmp_path: Path) -> None:
    written = tmp_path / "comment.md"
    ask(store, "--arm", "clip_td", "-o", str(written))
    text = written.read_text()
    assert text == ask(store, "--arm", "clip_td", "--markdown").stdout.replace(
        " The same records were judged before, so nothing more was spent.", ""
    )
    assert "clip_td is better than no_distillation on test/accuracy" in text.splitlines()[0]
    assert "| pairs | 16 |" in text
    assert "Proposal 1 of 20 that share an error probability of 0.05" in text
    proposal = other_run(tmp_path / "new", lambda record: record.model_copy(update={"commit": "feed5678"}))
    text = ask(proposal, "--arm", "clip_td", "--baseline", str(store), "--markdown").stdout
    assert "- commit: abc1234 in baseline, feed5678 in proposal" in text


def test_the_action_in_the_documents_asks_as_the_command_answers() -> None:
    action = yaml.safe_load((ROOT / "docs/gate_action.yml").read_text())
    scripts = "\n".join(step.get("run", "") for step in action["jobs"]["gate"]["steps"])
    line = next(line for line in scripts.replace("\\\n", " ").splitlines() if "ablate gate" in line)
    words = line[line.index("ablate gate") :].split("||")[0].split()[2:]
    assert (
        ablate.commands["gate"]
        .make_context("gate", [word.strip('"').replace("$MARGIN", "0.01") for word in words])
        .params["arm"]
    )
