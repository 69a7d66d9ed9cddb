"""A trained student leaves the program, and is what it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
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


@pytest.mark.slow
def test_a_student_comes_out_and_gives_what_it_gave(tmp_path: Path) -> None:
    (tmp_path / "leaving.yaml").write_text(STUDY)
    study, store, out = str(tmp_path / "leaving.yaml"), str(tmp_path / "store"), tmp_path / "student"
    asked("run", study, "--store", store, "--executor", "inline", "-q")
    asked("student", "export", study, "--store", store, "-o", str(out), "--onnx")

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

    records = Store.open(store).records("leaving")
    record = next(record for record in records if record.trial_id == found.trial_id)
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
