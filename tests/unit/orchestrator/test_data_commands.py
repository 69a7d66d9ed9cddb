"""`ablate data` on small data sets in the real layouts."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result

from orchestrator.cli import ablate
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import snli_ve_row
from tests.unit.trainables.real_layouts import write_lines
from trainables.data.load import load_split
from trainables.data.stored import StoredExamples
from trainables.data.subsets import subset


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(*words: object) -> Result:
    return CliRunner().invoke(ablate, ["data", *map(str, words)], catch_exceptions=False)


def test_check_finds_the_task_and_tells_every_problem(tmp_path: Path) -> None:
    result = run("check", make_vcr(tmp_path / "vcr"), "-q")

    assert result.exit_code == 0, result.output
    assert "train: 4 examples, 2 images, 0 unreadable rows" in result.output
    assert "image missing: 2" in result.output
    assert "film/0@0.jpg" in result.output
    assert not (tmp_path / "cache" / "examples").exists()


def test_check_ends_with_status_2_where_too_much_is_unreadable_or_no_task_is_there(tmp_path: Path) -> None:
    folder = make_snli_ve(tmp_path / "flickr")
    write_lines(folder / "snli_ve_test.jsonl", [snli_ve_row("a"), {"pairID": "b"}])

    refused = run("check", folder, "-q")
    assert (refused.exit_code, "1 of 2 rows cannot be read" in refused.output) == (2, True)
    assert run("check", folder, "-q", "--most-unreadable", "0.5").exit_code == 0
    nothing = run("check", tmp_path, "-q")
    assert (nothing.exit_code, "no task" in nothing.output) == (2, True)


def test_prepare_stores_what_training_then_reads(tmp_path: Path, cache: Path) -> None:
    folder = make_snli_ve(tmp_path / "flickr")
    result = run("prepare", folder, "-q")

    assert result.exit_code == 0, result.output
    assert isinstance(load_split("snli_ve", str(folder), "train", cache).examples, StoredExamples)


def test_subset_writes_the_ids_that_training_uses_one_a_line(tmp_path: Path, cache: Path) -> None:
    folder = make_vcr(tmp_path / "vcr", train=100)
    result = run("subset", folder, "--fraction", 0.1, "--seed", 3, "-o", tmp_path / "ids.txt")
    ids = (tmp_path / "ids.txt").read_text().splitlines()
    trained = subset(load_split("vcr", str(folder), "train", cache), 0.1, 3)

    assert result.exit_code == 0, result.output
    assert ids == list(dict.fromkeys(example.group for example in trained.examples))
    assert 0 < len(ids) <= 10


def test_shift_says_how_many_items_each_set_has_and_how_many_are_published(tmp_path: Path) -> None:
    result = run("shift", make_vcr(tmp_path / "vcr"), "-q")

    assert result.exit_code == 0, result.output
    assert "val_rule_singular.jsonl  1 of 2  (published: 16,154 of 26,534)" in result.output


def test_submission_is_made_of_a_trials_predictions(tmp_path: Path) -> None:
    from orchestrator.store import Store
    from tests.helpers.results import make_record
    from trainables.job import Prediction

    store = Store.open(str(tmp_path / "store"))
    said = {name: json.dumps([0.1, 0.2, 0.3, 0.4]) for name in ("t/qa", *(f"t/qar/{i}" for i in range(4)))}
    predictions = [Prediction(split="blind_test", example_id=n, prediction=p, score=1.0) for n, p in said.items()]
    record = make_record(task="vcr", study="blind")
    store.write(record, predictions=predictions)
    words = ("submission", "blind", "--store", tmp_path / "store", "-o", tmp_path / "test.csv", "--trial")
    result = run(*words, record.trial_id[:6])

    assert result.exit_code == 0, result.output
    (row,) = csv.DictReader((tmp_path / "test.csv").open())
    assert row["annot_id"] == "t" and float(row["rationale_conditioned_on_a3_3"]) == 0.4
    unknown = run(*words, "zzz")
    assert (unknown.exit_code, "expected one" in unknown.output) == (2, True)
