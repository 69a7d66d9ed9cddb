"""The benchmarks of training run, and end with a line of JSON; what they measure is no matter of tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.helpers.sources import IMPORT_PATH
from tests.helpers.sources import ROOT

pytestmark = pytest.mark.slow


def last_line(script: str, *arguments: str) -> dict[str, object]:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / script), "--quick", *arguments],
        env={**os.environ, "PYTHONPATH": IMPORT_PATH},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, object] = json.loads(ran.stdout.splitlines()[-1])
    return told


def test_two_workers_give_the_losses_of_one_within_the_stated_tolerance() -> None:
    assert last_line("ddp.py")["within"] is True


def test_stored_tokens_and_a_capped_val_are_measured() -> None:
    told = last_line("tokens.py")
    val = told["val_sequences_a_trial"]
    assert told["opened"] and told["encoded"]
    assert val["capped"] < val["all"]  # type: ignore[index]


def test_both_ways_to_a_teachers_confidence_in_answers_are_measured() -> None:
    (size,) = last_line("confidence.py")["sizes"]  # type: ignore[misc]
    assert size["softmax"]["planted"] == size["sigmoid"]["planted"]  # type: ignore[index]


def test_the_gpu_benchmark_runs_without_a_gpu_where_it_is_told_to() -> None:
    told = last_line("gpu.py", "--device", "cpu", "--no-compile", "--steps", "1")

    assert told["device"] == "cpu"
    assert set(told["sides"]) == set(told["loop_ms"]) == {"student_eager", "clip_td_eager"}  # type: ignore[call-overload]
