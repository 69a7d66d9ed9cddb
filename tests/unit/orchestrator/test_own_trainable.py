"""A trainable of a person's own, which has neither tasks nor data fractions, from the command line to its verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ablative.analysis import load
from ablative.analysis.showing.figures.low_shot import low_shot
from ablative.analysis.showing.findings import findings
from ablative.analysis.showing.paper_table import paper_table
from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.storing.store import Store

PARTS = """
from pydantic import Field
from ablative.frozen import Frozen
from ablative.trainables.job import CurvePoint, TrialOutcome
from ablative.trainables.parts.trainable import Roles, Trainable

class Toy(Frozen):
    rate: float = Field(0.1, gt=0, le=1, description="Rate.")
    trick: bool = Field(False, description="Whether the trick is on.")
    evaluations: int = Field(2, ge=1, description="Evaluations.")

def run(job, link):
    if job.config.rate == 1.0 and job.seed == 3:
        raise RuntimeError("too fast")
    value = 0.5 + 0.1 * job.config.trick + 0.01 * job.seed
    for step in range(1, job.config.evaluations + 1):
        link.report(CurvePoint(step=step, split="val", metric="score", value=value, seconds=0.0))
    return TrialOutcome(status="completed", metrics={f"{split}/score": value for split in job.evaluate})

PARTS = [Trainable(
    name="toy", description="A toy.", config=Toy, run=run, roles=Roles(evaluations="evaluations"),
    arms={"tricked": {"trick": True}},
)]
"""
STUDY = """
study: own_method
question: Does the trick help?
trainable: toy
target: {metric: val/score}
base: {rate: 0.5}
arms: {listed: [tricked], controls: {plain: {rate: 0.4}, fast: {rate: 1.0}}, reference: plain}
seeds: {search: [0], confirm: 1-7}
"""
SIMULATED_STUDY = """
study: try_out
question: Does an effect of 0.1 come out?
trainable: simulated
base: {}
arms: {listed: {helps: {effect: 0.1}}, controls: {nothing: {}}, reference: nothing}
search: {trials: 4, batch: 4, sampler: random, space: {lr: {loguniform: [0.00001, 0.01]}}, stop: {halving: {grace: 1}}}
seeds: {search: [0], confirm: 1-7}
evaluate: [val, test, test_shifted]
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    (tmp_path / "toy.py").write_text(PARTS)
    (tmp_path / "own.yaml").write_text(STUDY)
    return [str(tmp_path / "own.yaml"), "--with", str(tmp_path / "toy.py")]


def test_a_method_of_ones_own_is_checked_run_judged_and_asked_about(words: list[str], tmp_path: Path) -> None:
    """A trial that raises is a row with its error, and its siblings go on."""
    store = ["--store", str(tmp_path / "store")]
    assert CliRunner().invoke(ablate, ["check", *words]).exit_code == 0

    ran = CliRunner().invoke(ablate, ["run", *words, *store, "--executor", "inline"], catch_exceptions=False)

    assert ran.exit_code == 1, ran.output  # one trial failed
    records = Store.open(store[1]).records("own_method")
    assert {(record.task, record.data_fraction) for record in records} == {("", 1.0)}
    failed = [record for record in records if not record.completed]
    assert [(record.arm, record.seed) for record in failed] == [("fast", 3)]
    assert "too fast" in failed[0].error
    asked = CliRunner().invoke(ablate, ["query", words[0], "select arm, n_pairs, verdict from effects", *store])
    assert "better" in asked.output, asked.output


def test_a_study_of_the_simulated_trainable_finds_what_it_says_is_true(tmp_path: Path) -> None:
    """The trainable that ships beside CLIP-TD: search, stopping and judgement are those of any other."""
    (tmp_path / "try_out.yaml").write_text(SIMULATED_STUDY)
    words = [str(tmp_path / "try_out.yaml"), "--store", str(tmp_path / "store")]

    ran = CliRunner().invoke(ablate, ["run", *words, "--executor", "inline"], catch_exceptions=False)

    assert ran.exit_code == 0, ran.output
    records = Store.open(words[2]).records("try_out")
    assert {record.device for record in records} == {"simulated"}
    assert {record.status for record in records if record.phase == "confirm"} == {"completed"}
    assert {record.status for record in records if record.phase == "search"} == {"completed", "stopped"}
    asked = CliRunner().invoke(ablate, ["query", words[0], "select arm, verdict from effects", *words[1:]])
    assert "helps" in asked.output and "better" in asked.output, asked.output


PARTS_WITH_ROLES = """
from typing import Literal
from pydantic import Field
from ablative.frozen import Frozen
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.trainable import Roles, Trainable

class Reader(Frozen):
    corpus: Literal["news", "mail"] = "news"
    share: float = Field(1.0, gt=0, le=1, description="Share of the corpus.")
    trick: bool = False

def run(job, link):
    value = 0.3 + 0.3 * job.config.share + 0.1 * job.config.trick + 0.01 * job.seed
    return TrialOutcome(status="completed", metrics={f"{split}/accuracy": value for split in job.evaluate})

PARTS = [Trainable(
    name="reader", description="Reads.", config=Reader, run=run, roles=Roles(task="corpus", data_fraction="share"),
)]
"""
STUDY_WITH_ROLES = """
study: reading
question: Does the trick help?
trainable: reader
base: {}
arms: {listed: {tricked: {trick: true}}, controls: {plain: {}}, reference: plain}
conditions: {corpus: [news, mail], share: [0.01, 0.1, 1.0]}
seeds: {search: [0], confirm: 1-7}
"""


def test_tasks_and_shares_of_data_are_what_the_trainable_says_in_every_answer(tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text(PARTS_WITH_ROLES)
    (tmp_path / "own.yaml").write_text(STUDY_WITH_ROLES)
    own, store = str(tmp_path / "own.yaml"), ["--store", str(tmp_path / "store")]
    ran = CliRunner().invoke(
        ablate, ["run", own, "--with", str(tmp_path / "parts.py"), *store, "--executor", "inline"]
    )
    assert ran.exit_code == 0, ran.output

    results = load(store[1], "reading")
    single = [row for row in results.effects.to_pylist() if row["family"] == "cells"]
    assert {(row["task"], row["data_fraction"]) for row in single} == {
        (corpus, share) for corpus in ("news", "mail") for share in (0.01, 0.1, 1.0)
    }
    assert not {"corpus", "share"} & set(results.effects.column_names), "said already, as task and data_fraction"
    pooled = [row for row in results.effects.to_pylist() if row["family"] == "pooled" and row["arm"] == "tricked"]
    assert {row["n_pairs"] for row in pooled} == {14}, "a block is a seed of a corpus"
    table = paper_table(results, "reading")
    assert table.groups == (("news", ("1 %", "10 %", "100 %")), ("mail", ("1 %", "10 %", "100 %")))
    assert low_shot(findings(results, "reading")) is not None


def test_a_trainable_that_is_not_there_is_answered_with_the_nearest(words: list[str]) -> None:
    asked = CliRunner().invoke(ablate, ["check", *words, "trainable=toi"])

    assert asked.exit_code == 2
    assert "toy" in asked.output


def test_after_a_change_of_the_file_the_plan_names_the_part_whose_code_changed(
    words: list[str], tmp_path: Path
) -> None:
    store = ["--store", str(tmp_path / "store")]
    CliRunner().invoke(ablate, ["run", *words, *store, "--executor", "inline"], catch_exceptions=False)
    before = {record.trial_id: record for record in Store.open(store[1]).records("own_method")}
    (tmp_path / "toy.py").write_text(PARTS.replace("0.1 * job", "0.2 * job"))

    planned = CliRunner().invoke(ablate, ["plan", *words, *store], catch_exceptions=False)

    (digest,) = {record.parts["trainable/toy"] for record in before.values()}
    assert {record.trainable for record in before.values()} == {"toy"}
    assert f"{len(before)} differ in the code of trainable/toy ({digest[:12]} -> " in planned.output, planned.output
