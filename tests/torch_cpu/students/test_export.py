"""A trained student leaves the program, and is what it was."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file
from safetensors.torch import save_file

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.learned import is_result
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.trainables.cache import cache_folder
from ablative.trainables.data.load import load_split
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.task import Task
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.exported import read_student
from ablative.trainables.students.exported import write_student
from ablative.trainables.students.flat import example
from ablative.trainables.students.flat import input_names
from ablative.trainables.students.heads import probabilities
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.training.evaluation import EVALUATION_BATCH
from ablative.trainables.training.evaluation import evaluated
from ablative.trainables.training.inputs import inputs_of
from tests.helpers.answers import checked_answer

STUDY = """
study: leaving
question: Does the student come out?
base:
  task: {name: snli_ve, data: mini_smoke}
  student: {preset: PRESET}
  optim: OPTIM
arms: {design: listed, listed: [no_distillation]}
search: {trials: 1}
seeds: {search: [0], confirm: [1, 2]}
evaluate: [val, test]
keep: {students: best}
"""
NOTHING_ELSE = """
import importlib.metadata, re, sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
wanted, allowed = ["torch", "safetensors"], {"torchgen", "functorch", "modeling"}
while wanted:
    name = wanted.pop()
    allowed.add(re.sub("[-.]", "_", name).lower())
    for line in importlib.metadata.requires(name) or []:
        found = re.split("[^A-Za-z0-9._-]", line)[0]
        if ";" not in line and re.sub("[-.]", "_", found).lower() not in allowed:
            wanted.append(found)
there = importlib.metadata.packages_distributions()
strangers = {
    module for module, names in there.items()
    if module not in allowed and not any(re.sub("[-.]", "_", name).lower() in allowed for name in names)
}
assert {"numpy", "ray", "optuna", "transformers", "timm", "open_clip", "pydantic"} <= strangers
strangers.add("ablative")
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in strangers else PathFinder.find_spec(name, path, target)
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Finder]
sys.path.insert(0, ".")
"""
"""Hides every package but torch, safetensors and what these two cannot be installed without."""

ANSWERS = """
import torch
for number in range(int(sys.argv[2])):
    given = load_file(f"{sys.argv[1]}/{number}.safetensors")
    with torch.inference_mode():
        if "StudentBatch" in globals():
            logits = student(StudentBatch(**given)).logits
        else:
            logits = student(*[given[name] for name in json.load(open("config.json"))["inputs"]])
    torch.save(logits, f"{sys.argv[1]}/said-{number}.pt")
assert "numpy" not in sys.modules and "ablative" not in sys.modules
"""
"""Behind the card's own lines: what the student says of the batches in a folder."""


def snippet(card: str) -> str:
    """The Python of a card."""
    (found,) = re.findall(r"^```python\n(.*?)^```", card, re.MULTILINE | re.DOTALL)
    return str(found)


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
        """The record's results of a split; the majority class beside them is one of its training data."""
        found = self.record.metrics.items()
        return {name: value for name, value in found if name.startswith(f"{split}/") and is_result(name)}

    def predictions(self, split: str) -> dict[str, tuple[str, float]]:
        """Example id -> recorded prediction and score."""
        rows = self.store.predictions("leaving").to_pylist()
        return {
            row["example_id"]: (row["prediction"], row["score"])
            for row in rows
            if (row["trial_id"], row["split"]) == (self.record.trial_id, split)
        }


OPTIM = {
    "uniter_tiny": "{max_steps: 6, min_steps: 6, evaluations: 2, batch_size: 16}",
    "clip_vil_tiny": "{max_steps: 2, min_steps: 2, evaluations: 1, batch_size: 8}",
}
"""The second goes through an image tower."""


@pytest.fixture(scope="module", params=list(OPTIM))
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Left:
    place = tmp_path_factory.mktemp("leaving")
    (place / "leaving.yaml").write_text(STUDY.replace("PRESET", request.param).replace("OPTIM", OPTIM[request.param]))
    study, store, out = str(place / "leaving.yaml"), str(place / "store"), place / "student"
    asked("run", study, "--store", store, "--executor", "inline", "-q")
    words = ("--store", store, "-o", str(out), "--onnx", "--json")
    told = checked_answer("student_export", asked("student", "export", study, *words))
    trial = json.loads((out / "config.json").read_text())["trial_id"]
    assert (told["trial_id"], sorted(told["files"])) == (trial, sorted(path.name for path in out.iterdir()))
    opened = Store.open(store)
    (record,) = [one for one in opened.records("leaving") if one.trial_id == trial]
    return Left(folder=out, store=opened, record=record)


@pytest.mark.slow
@pytest.mark.parametrize("split", ["val", "test"])
def test_its_predictions_and_metrics_are_those_of_the_record(left: Left, split: str, tmp_path: Path) -> None:
    out = tmp_path / "said.jsonl"
    words = (str(left.folder), "mini_smoke", "--split", split, "-o", str(out), "--json", "-q")
    told = checked_answer("student_predict", asked("student", "predict", *words))
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
        (["mini_smoke", "-o", "said.txt"], "unknown suffix; use a name that ends in .jsonl, .csv, .parquet"),
        (["mini_smoke", "--submission", "x.json"], "snli_ve has no blind test, because its labels are public"),
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


@pytest.fixture
def batches(left: Left) -> list[tuple[np.ndarray, dict[str, torch.Tensor]]]:
    """The test as its trial has read it, cut into batches: positions in the split, and inputs by name."""
    found, _ = read_student(left.folder, bundled())
    split = load_split(found.config.task.part, found.config.task.data, "test", cache_folder())
    inputs = inputs_of(found.config, split, cache_folder())
    names = input_names(found.config.student)
    cut = []
    for indices in inputs.in_order_of_length(EVALUATION_BATCH):
        batch = inputs.batch(indices).inputs
        cut.append((indices, {name: getattr(batch, name).contiguous() for name in names}))
        cut[-1][1]["regions_BRF"] = cut[-1][1]["regions_BRF"].float()  # stored as float16
    return cut


def metrics_of(left: Left, places: list[np.ndarray], logits: list[torch.Tensor]) -> dict[str, float]:
    """Metrics of the test, as a record names them."""
    task = bundled().of(Task)["snli_ve"]
    split = load_split(task, "mini_smoke", "test", cache_folder())
    rows = probabilities(task.head, torch.cat(logits), 1).numpy()[np.argsort(np.concatenate(places))]
    return {f"test/{name}": value for name, value in evaluated(split, rows).metrics.items()}


@pytest.mark.slow
def test_with_torch_and_safetensors_alone_the_card_loads_it_and_its_metrics_are_the_records(
    left: Left, batches: list[tuple[np.ndarray, dict[str, torch.Tensor]]], tmp_path: Path
) -> None:
    found, student = read_student(left.folder, bundled())
    for number, (_, tensors) in enumerate(batches):
        save_file(tensors, tmp_path / f"{number}.safetensors")
    code = NOTHING_ELSE + snippet((left.folder / "README.md").read_text()) + ANSWERS
    words = [sys.executable, "-I", "-W", "ignore", "-c", code, str(tmp_path), str(len(batches))]
    ran = subprocess.run(words, cwd=left.folder, check=False, timeout=300, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert re.match(r"tensor\(0\.", ran.stdout), ran.stdout
    answers = [torch.load(tmp_path / f"said-{number}.pt") for number in range(len(batches))]

    with torch.inference_mode():
        for (_, tensors), logits in zip(batches, answers, strict=True):
            assert torch.equal(logits, student(StudentBatch(**tensors)).logits)
    assert metrics_of(left, [places for places, _ in batches], answers) == left.metrics("test")
    assert found.trial_id == left.record.trial_id


@pytest.mark.slow
def test_the_onnx_file_gives_what_torch_gives_for_batches_of_any_size(
    left: Left, batches: list[tuple[np.ndarray, dict[str, torch.Tensor]]]
) -> None:
    import onnxruntime

    found, student = read_student(left.folder, bundled())
    names = input_names(found.config.student)
    session = onnxruntime.InferenceSession(left.folder / "model.onnx")
    taken = {one.name for one in session.get_inputs()}

    def asked_of_onnx(tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        given = {name: tensor.numpy() for name, tensor in tensors.items() if name in taken}
        return torch.from_numpy(session.run(None, given)[0])

    drawn = example(found.config.student, found.region_width, sequences=5, length=9, regions=6)
    cases = [dict(zip(names, drawn, strict=True)), *(tensors for _, tensors in batches)]
    with torch.inference_mode():
        wanted = [student(StudentBatch(**case)).logits for case in cases]
    answers = [asked_of_onnx(case) for case in cases]
    for logits, given in zip(wanted, answers, strict=True):
        np.testing.assert_allclose(given.numpy(), logits.numpy(), atol=1e-5)
    assert metrics_of(left, [places for places, _ in batches], answers[1:]) == left.metrics("test")


@pytest.mark.slow
def test_the_best_student_on_val_is_the_one_that_leaves_and_its_card_has_its_figures(left: Left) -> None:
    records = left.store.records("leaving")
    card = yaml.safe_load((left.folder / "README.md").read_text().split("---")[1])
    results = card["model-index"][0]["results"]
    measured = {one["name"]: one["value"] for result in results for one in result["metrics"]}

    assert measured == {name: value for name, value in left.record.metrics.items() if is_result(name)}
    assert left.record.metrics["val/accuracy"] == max(one.metrics["val/accuracy"] for one in records)


@pytest.mark.slow
def test_a_study_that_takes_the_trial_exports_its_student_when_the_first_study_is_gone(
    left: Left, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(left.store.uri, store)
    preset = json.loads((left.folder / "config.json").read_text())["config"]["student"]["preset"]
    text = STUDY.replace("study: leaving", "study: second").replace("PRESET", preset).replace("OPTIM", OPTIM[preset])
    (tmp_path / "second.yaml").write_text(text)
    study, place = str(tmp_path / "second.yaml"), ["--store", str(store)]
    Store.open(str(store)).compact("leaving")
    asked("run", study, *place, "--executor", "inline", "-q")
    shutil.rmtree(store / "studies" / "leaving")
    written = asked("student", "export", study, *place, "-o", str(tmp_path / "out"), "--json")
    listed = checked_answer("student_list", asked("student", "list", study, *place, "--json"))

    (taken,) = [one for one in Store.open(str(store)).records("second") if one.trial_id == left.record.trial_id]
    assert taken.source_study == "leaving"
    first, second = (load_file(folder / "model.safetensors") for folder in (left.folder, tmp_path / "out"))
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    exported = checked_answer("student_export", written)
    assert sorted(exported["files"]) == sorted(file.name for file in (tmp_path / "out").iterdir())
    (kept,) = listed["students"]
    assert kept["trial_id"] == exported["trial_id"] == left.record.trial_id
    assert (listed["metric"], kept["value"]) == ("val/accuracy", left.record.metrics["val/accuracy"])
    assert "1 kept students" in asked("student", "list", study, *place)


@pytest.mark.slow
def test_an_export_leaves_nothing_of_the_student_that_was_there_and_no_half_of_one(
    left: Left, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read_student(left.folder, bundled())[0]
    for name in ("model.onnx", "modeling.py", "model.pt2", "mine.txt"):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text("of another student")
    names = write_student(found, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*names, "mine.txt"}

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match="--onnx needs the packages"):
        write_student(found, tmp_path / "other", onnx=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_study_without_kept_students_says_what_to_do(tmp_path: Path) -> None:
    ran = CliRunner().invoke(ablate, ["student", "export", "quickstart", "--store", str(tmp_path)])

    assert ran.exit_code == 2
