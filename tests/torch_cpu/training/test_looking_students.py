"""Trials of students that read the pictures themselves, on real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.prepare import prepare
from ablative.trainables.trial import run_trial
from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import smoke

pytestmark = pytest.mark.slow
SHORT = {"batch_size": 4, "min_steps": 2, "max_steps": 2, "evaluations": 1}


@pytest.mark.parametrize(
    ("task", "student"),
    [("vcr", {"visual_input": "patches"}), ("snli_ve", {"preset": "clip_vil_tiny"})],
    ids=["patches", "clip_vil"],
)
def test_a_student_that_looks_trains_with_distillation(task: str, student: dict[str, object], cache: Path) -> None:
    config = smoke(task, student=student, distillation=CLIP_TD, optim=SHORT)
    prepare([config], cache, lambda what, done, total: None)
    job = TrialJob(trial_id="t", config=config, seed=1, evaluate=("val",), cache=str(cache))
    outcome = run_trial(job, Alone())

    assert outcome.status == "completed", outcome.error
    assert 0 <= outcome.metrics["val/accuracy"] <= 1
    assert {"task", "image", "text", "tokens"} <= {p.metric for p in outcome.curve if p.split == "train"}
