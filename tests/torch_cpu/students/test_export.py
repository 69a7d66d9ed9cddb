"""A trained student leaves the program, and is what it was."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.trainables.cache import cache_folder
from ablative.trainables.job import TrialJob
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.students.exported import read_student
from ablative.trainables.students.flat import FIELDS
from ablative.trainables.students.flat import batch_of
from ablative.trainables.students.flat import example
from ablative.trainables.trial import _evaluated

STUDY = """
study: leaving
question: Does the student come out?
base:
  task: {name: snli_ve, data: mini_smoke}
  optim: {max_steps: 6, min_steps: 6, evaluations: 2, batch_size: 16}
arms: {design: listed, listed: [no_distillation]}
search: {trials: 1}
seeds: {search: [0], confirm: [1, 2]}
evaluate: [val, test]
keep: {students: best}
"""
BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ablative", "ray", "optuna", "open_clip", "transformers", "pydantic"}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocker())
sys.path.insert(0, sys.argv[1])
import torch
from modeling import StudentBatch, load
tensors = torch.load(sys.argv[2])
with torch.inference_mode():
    torch.save(load(sys.argv[1])(StudentBatch(**tensors)).logits, sys.argv[3])
"""


def asked(*words: str) -> str:
    ran = CliRunner().invoke(ablate, words, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.output


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A student that a real study has trained and kept, exported."""

    folder: Path
    store: Store
    record: Record

    def metrics(self, split: str) -> dict[str, float]:
        """The record's metrics of a split."""
        return {name: value for name, value in self.record.metrics.items() if name.startswith(f"{split}/")}

    def predictions(self, split: str) -> dict[str, tuple[str, float]]:
        """Example id -> recorded prediction and score."""
        rows = self.store.predictions("leaving").to_pylist()
        return {
            row["example_id"]: (row["prediction"], row["score"])
            for row in rows
            if (row["trial_id"], row["split"]) == (self.record.trial_id, split)
        }


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    place = tmp_path_factory.mktemp("leaving")
    (place / "leaving.yaml").write_text(STUDY)
    study, store, out = str(place / "leaving.yaml"), str(place / "store"), place / "student"
    asked("run", study, "--store", store, "--executor", "inline", "-q")
    asked("student", "export", study, "--store", store, "-o", str(out), "--onnx")
    trial = json.loads((out / "config.json").read_text())["trial_id"]
    opened = Store.open(store)
    (record,) = [one for one in opened.records("leaving") if one.trial_id == trial]
    return Left(folder=out, store=opened, record=record)


@pytest.mark.slow
@pytest.mark.parametrize("split", ["val", "test"])
def test_its_predictions_and_metrics_are_those_of_the_record(left: Left, split: str, tmp_path: Path) -> None:
    out = tmp_path / "said.jsonl"
    told = json.loads(
        asked("student", "predict", str(left.folder), "mini_smoke", "--split", split, "-o", str(out), "--json", "-q")
    )
    rows = [json.loads(line) for line in out.read_text().splitlines()]

    assert told["metrics"] == left.metrics(split)
    assert {row["id"]: (row["prediction"], row["score"]) for row in rows} == left.predictions(split)
    assert len(rows) == told["examples"] > 0
    for row in rows:
        assert row["prediction"] == max(row["probabilities"], key=row["probabilities"].get)
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_every_form_of_file_holds_the_same_predictions(left: Left, tmp_path: Path) -> None:
    for ending in ("jsonl", "csv", "parquet"):
        words = ["-o", str(tmp_path / f"said.{ending}"), "--batch", "7", "-q"]
        assert "predictions in" in asked("student", "predict", str(left.folder), "mini_smoke", *words)
    lines = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    table = pq.read_table(tmp_path / "said.parquet")
    with (tmp_path / "said.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))

    classes = ("contradiction", "neutral", "entailment")
    assert table.column_names == ["id", "prediction", "score", *(f"probability_{name}" for name in classes)]
    for line, cell, row in zip(lines, cells, table.to_pylist(), strict=True):
        assert (line["id"], line["prediction"]) == (cell["id"], cell["prediction"]) == (row["id"], row["prediction"])
        assert line["score"] == float(cell["score"]) == row["score"]
        for name in classes:
            wanted = np.float32(line["probabilities"][name])
            assert wanted == np.float32(cell[f"probability_{name}"]) == np.float32(row[f"probability_{name}"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mini_smoke", "--split", "tset"], "mini_smoke: snli_ve has no split 'tset' here; wanted one of train, val"),
        (["mini_smoke", "-o", "said.txt"], "wanted a name that ends in .jsonl, .csv, .parquet"),
        (["mini_smoke", "--submission", "x.json"], "snli_ve has no blind test; its labels are public"),
        (["nowhere"], "task.data: snli_ve is not complete in"),
    ],
)
def test_a_mistake_in_a_prediction_is_one_line_and_writes_nothing(
    left: Left, words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(ablate, ["student", "predict", str(left.folder), *words])

    assert (ran.exit_code, said in ran.output) == (2, True), ran.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_student_comes_out_and_gives_what_it_gave(left: Left, tmp_path: Path) -> None:
    out, record = left.folder, left.record
    found, student = read_student(out, bundled())
    tensors = example(found.config.student, found.region_width, sequences=5, length=9, regions=6)
    with torch.inference_mode():
        wanted = student(batch_of(tensors)).logits
    torch.save(dict(zip(FIELDS, tensors, strict=True)), tmp_path / "batch.pt")
    there = [str(out), str(tmp_path / "batch.pt"), str(tmp_path / "logits.pt")]
    subprocess.run([sys.executable, "-I", "-c", BLOCKED, *there], check=True, timeout=120)
    assert torch.equal(torch.load(tmp_path / "logits.pt"), wanted)

    import onnxruntime

    session = onnxruntime.InferenceSession(out / "model.onnx")
    said = session.run(None, dict(zip(FIELDS, (tensor.numpy() for tensor in tensors), strict=True)))[0]
    np.testing.assert_allclose(said, wanted.numpy(), atol=1e-5)

    records = left.store.records("leaving")
    card = yaml.safe_load((out / "README.md").read_text().split("---")[1])
    measured = {one["name"]: one["value"] for one in card["model-index"][0]["results"][0]["metrics"]}
    assert measured == {name: value for name, value in record.metrics.items() if not name.startswith("train/")}
    job = TrialJob(
        trial_id=found.trial_id,
        config=found.config,
        seed=found.seed,
        evaluate=("val", "test"),
        cache=str(cache_folder()),
    )
    again = {split: _evaluated(job, student, torch.device("cpu"), split).metrics for split in job.evaluate}
    for split, metrics in again.items():
        assert metrics == {name: record.metrics[f"{split}/{name}"] for name in metrics}
    assert record.metrics["val/accuracy"] == max(one.metrics["val/accuracy"] for one in records)


def test_a_study_without_kept_students_says_what_to_do(tmp_path: Path) -> None:
    ran = CliRunner().invoke(ablate, ["student", "export", "quickstart", "--store", str(tmp_path)])

    assert ran.exit_code == 2
