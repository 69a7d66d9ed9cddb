"""A trial on files in VCR's own format, with a detector's region features, up to the leaderboard's file."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.learned import is_result
from ablative.progress import silent
from ablative.trainables.config import OptimConfig
from ablative.trainables.config import StudentConfig
from ablative.trainables.config import TaskConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.convert import prepare_examples
from ablative.trainables.data.splits import splits_of
from ablative.trainables.data.submission import submission
from ablative.trainables.errors import MissingData
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.prepare import prepare
from ablative.trainables.students.exported import write_student
from ablative.trainables.students.kept import read_kept
from ablative.trainables.trial import run_trial
from ablative.trainables.vision.conversion import convert_regions
from ablative.trainables.vision.feature_files import feature_files
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_vcr

WIDTH = 24
EVALUATE = ("val", "test", "test_rule_singular", "test_rule_plural", "blind_test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A trial on real files, and its student as it leaves."""

    data: Path
    cache: Path
    outcome: TrialOutcome
    student: Path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder, cache = tmp_path_factory.mktemp("vcr"), tmp_path_factory.mktemp("cache")
    make_vcr(folder, train=120)
    rng = np.random.default_rng(0)
    (folder / "features").mkdir()
    for stem in [f"{i}@0" for i in range(120)] + ["a@0"]:
        boxes = np.array([[0, 0, 0.5, 0.5], [0.1, 0.1, 0.9, 0.9], [0.5, 0, 1, 1]], np.float32)
        np.savez(folder / "features" / f"{stem}.npz", features=rng.normal(size=(3, WIDTH)), norm_bb=boxes)
    found = prepare_examples(TASKS["vcr"], str(folder), cache, silent)
    convert_regions(found, feature_files([folder / "features"]), silent)
    config = TrialConfig(
        task=TaskConfig(name="vcr", data=str(folder), data_fraction=0.5),
        student=StudentConfig(init="scratch"),
        optim=OptimConfig(batch_size=4, epochs=1, min_steps=2, max_steps=2, evaluations=1),
    )
    prepare([config], cache, silent)
    assert set(EVALUATE) <= set(splits_of(TASKS["vcr"], str(folder)))
    job = TrialJob(
        trial_id="real",
        config=config,
        seed=1,
        evaluate=EVALUATE,
        cache=str(cache),
        threads=1,
        keep_predictions=True,
        keep_student=True,
    )
    link, student = Alone(), tmp_path_factory.mktemp("student")
    outcome = run_trial(job, link)
    assert link.student is not None
    write_student(read_kept(link.student, "here", bundled()), student)
    return Ran(data=folder, cache=cache, outcome=outcome, student=student)


@pytest.fixture
def outcome(ran: Ran) -> TrialOutcome:
    return ran.outcome


def test_a_trial_on_prepared_files_scores_every_split_but_the_blind_one(outcome: TrialOutcome) -> None:
    assert outcome.status == "completed", outcome.error
    assert {"val/accuracy", "test/accuracy_q_a", "test_rule_singular/accuracy"} <= outcome.metrics.keys()
    assert {name for name in outcome.metrics if name.startswith("blind")} == {"blind_test/n"}
    assert outcome.metrics["test_rule_singular/n"] == 1  # one of the two questions names one person


def test_a_shifted_test_that_a_rule_leaves_empty_has_no_metrics(outcome: TrialOutcome) -> None:
    assert not [name for name in outcome.metrics if name.startswith("test_rule_plural")]


def test_data_without_an_example_to_train_on_is_refused_before_any_trial(tmp_path: Path) -> None:
    make_vcr(tmp_path / "vcr", train=120)
    (tmp_path / "vcr/train.jsonl").write_text("")
    config = TrialConfig(
        task=TaskConfig(name="vcr", data=str(tmp_path / "vcr")), student=StudentConfig(init="scratch")
    )

    with pytest.raises(MissingData, match=r"vcr: no example of vcr is in split 'train'"):
        prepare([config], tmp_path / "cache", silent)


def test_what_it_predicts_on_the_blind_split_is_a_submission(outcome: TrialOutcome) -> None:
    said = {p.example_id: p for p in outcome.predictions if p.split == "blind_test"}
    (row,) = csv.DictReader(io.StringIO(submission(TASKS["vcr"], {name: p.prediction for name, p in said.items()})))

    assert len(said) == 5 and all(math.isnan(p.score) for p in said.values())
    assert row["annot_id"] == "test-0"
    assert sum(float(row[f"answer_{j}"]) for j in range(4)) == pytest.approx(1, abs=1e-4)
    assert sum(float(row[f"rationale_conditioned_on_a2_{j}"]) for j in range(4)) == pytest.approx(1, abs=1e-4)


def test_an_exported_student_writes_the_same_submission_and_scores_the_same_shifted_test(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_CACHE", str(ran.cache))

    def told(split: str, *words: str) -> dict[str, Any]:
        place = [str(ran.student), str(ran.data), "-o", str(tmp_path / "said.jsonl"), "-q", "--json"]
        answer = CliRunner().invoke(ablate, ["student", "predict", *place, "--split", split, *words])
        assert answer.exit_code == 0, answer.output
        return dict(json.loads(answer.output))

    blind = told("blind_test", "--submission", str(tmp_path / "test.csv"))
    recorded = {p.example_id: p.prediction for p in ran.outcome.predictions if p.split == "blind_test"}
    rows = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    assert (blind["labelled"], blind["metrics"]) == (False, {"blind_test/n": 5.0})
    assert (tmp_path / "test.csv").read_text() == submission(TASKS["vcr"], recorded)
    assert [(row["id"], row["score"]) for row in rows] == [(name, None) for name in recorded]
    assert all(set(row["probabilities"]) == set("0123") and row["prediction"] in "0123" for row in rows)

    for split in ("test", "test_rule_singular"):
        found = ran.outcome.metrics.items()
        wanted = {name: value for name, value in found if name.startswith(f"{split}/") and is_result(name)}
        assert told(split)["metrics"] == wanted


def test_a_student_of_a_detectors_features_refuses_those_of_another_width(ran: Ran, tmp_path: Path) -> None:
    answer = CliRunner().invoke(ablate, ["student", "predict", str(ran.student), "mini_smoke", "-q"])

    assert answer.exit_code == 2
    assert "mini_smoke: its region features are 1280 wide; the student was trained on features of width 24" in (
        answer.output
    )
