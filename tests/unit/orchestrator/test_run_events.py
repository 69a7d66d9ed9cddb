"""`ablate run --json`: every event is a line that docs/schemas knows, however the run ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.answers import held

PARTS = """
import time
from pydantic import Field
from ablative.frozen import Frozen
from ablative.trainables.job import CurvePoint, TrialOutcome
from ablative.trainables.parts.preparation import Preparation
from ablative.trainables.parts.trainable import Roles, Trainable

class Toy(Frozen):
    rate: float = Field(0.1, gt=0, le=1, description="Rate.")
    trick: bool = Field(False, description="Whether the trick is on.")
    seconds: float = Field(0.0, ge=0, description="How long it takes.")
    evaluations: int = Field(2, ge=1, description="Evaluations.")

def prepare(configs, cache, progress):
    for done in range(3):
        progress("features", done, 2)

def run(job, link):
    print("a trial that prints")
    time.sleep(job.config.seconds)
    if job.config.rate == 1.0 and job.seed == 3:
        raise RuntimeError("too fast")
    value = 0.5 + 0.1 * job.config.trick + 0.001 * ((job.seed * 7) % 5) + 0.01 * job.config.rate
    for step in range(1, job.config.evaluations + 1):
        link.report(CurvePoint(step=step, split="val", metric="score", value=value, seconds=0.0))
    return TrialOutcome(status="completed", metrics={f"{split}/score": value for split in job.evaluate})

PARTS = [Trainable(
    name="toy", description="A toy.", config=Toy, run=run, roles=Roles(evaluations="evaluations"),
    arms={"tricked": {"trick": True}}, preparation=lambda: Preparation(data=prepare),
)]
"""
STUDY = """
study: told
question: Does the trick help?
trainable: toy
target: {metric: val/score}
base: {rate: 0.5}
arms: {listed: [tricked], controls: {plain: {}, alike: {evaluations: 3}}, reference: plain}
search: {trials: 2, batch: 2, sampler: random, space: {rate: {uniform: [0.1, 0.9]}}}
seeds: {search: [0], confirm: 1-12, sequential: {looks: [8]}}
comparisons: {claims: {gain: {arm: tricked, against: plain}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "toy.py").write_text(PARTS)
    (tmp_path / "told.yaml").write_text(STUDY)
    return tmp_path


def _started(folder: Path, *words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "ablative.orchestrator.commands.cli", "run", "told.yaml", "--with", "toy.py"]
    environment = {**os.environ, "ABLATE_CACHE": str(folder / "cache")}
    return subprocess.Popen(
        [*line, "--executor", "inline", "--json", *words],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _ended(process: subprocess.Popen[str]) -> tuple[list[dict[str, Any]], str]:
    out, err = process.communicate(timeout=120)
    return [held("run", json.loads(line)) for line in out.splitlines()], err


def test_a_run_tells_its_events_from_its_start_to_its_verdicts(folder: Path) -> None:
    process = _started(folder)
    events, err = _ended(process)
    kinds = Counter(event["event"] for event in events)

    assert process.returncode == 0, err
    assert [event["event"] for event in events[:3]] == ["study_started", "preparing", "preparing"]
    assert events[0]["study"] == "told" and kinds["study_planned"] == 1
    assert kinds["trial_started"] == kinds["trial_ended"] == events[-1]["ran"]
    assert kinds["search_decided"] == 3
    decided = [event for event in events if event["event"] == "search_decided"]
    assert all(set(event["settings"][0]) == {"rate"} and event["best"] > 0.5 for event in decided)
    assert next((event["seeds"], event["ended"]) for event in events if event["event"] == "look") == (8, ["tricked"])
    assert events[-1]["event"] == "study_ended"
    assert events[-1]["verdicts"]["claims"] == {"better": 1}
    assert sum(events[-1]["verdicts"]["primary"].values()) == 2
    assert "a trial that prints" in err
    last = [event for event in events if event["event"] == "trial_ended"][-1]
    assert last["owed"] == 0 and set(last["metrics"]) >= {"val/score", "test/score"}


def test_a_run_with_nothing_to_do_says_so_and_a_failed_trial_has_its_error(folder: Path) -> None:
    words = ("base.rate=1.0", "search.space={}", "search.trials=1", "seeds.sequential=null")
    process = _started(folder, *words)
    events, _ = _ended(process)
    assert process.returncode == 1 == events[-1]["exit_status"]
    failed = [event for event in events if event["event"] == "trial_ended" and event["status"] == "failed"]
    assert failed and all("too fast" in event["error"] and event["seed"] == 3 for event in failed)
    assert sum(events[-1]["failed"].values()) == len(failed)

    again, _ = _ended(_started(folder, *words))
    assert [event["event"] for event in again] == ["study_started", "study_planned", "study_ended"]
    assert again[-1]["ran"] == 0 and again[-1]["recorded"] == events[-1]["ran"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_lines_with_stopped(folder: Path, number: signal.Signals) -> None:
    process = _started(folder, "base.seconds=0.3")
    assert process.stdout is not None
    first = process.stdout.readline()
    while '"trial_ended"' not in (line := process.stdout.readline()):
        assert line
    process.send_signal(number)
    rest, _ = _ended(process)

    assert held("run", json.loads(first))["event"] == "study_started"
    assert process.returncode == 128 + number
    assert (rest[-1]["event"], rest[-1]["exit_status"]) == ("stopped", 128 + number)
    assert "study_ended" not in {event["event"] for event in rest}


def test_a_mistake_is_one_line_on_standard_error_and_the_last_event(folder: Path) -> None:
    process = _started(folder, "--budget", "much")
    events, err = _ended(process)

    assert process.returncode == 2 == events[-1]["exit_status"]
    assert events[-1]["event"] == "error" and events[-1]["message"] in err
    missing = _started(folder, "arms.reference=none")
    (only,), err = _ended(missing)
    assert (missing.returncode, only["event"]) == (2, "error") and only["message"] in err


@pytest.mark.slow
def test_a_run_that_nobody_listens_to_goes_on(folder: Path) -> None:
    process = _started(folder, "base.seconds=0.05")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=120) == 0
    assert "the reader of the events is gone" in err
    assert "0 failed" in err


def test_json_of_a_job_is_refused(folder: Path) -> None:
    process = _started(folder, "--detach")
    events, err = _ended(process)

    assert (process.returncode, events) == (2, [])
    assert "leave out --detach" in err


@pytest.mark.slow
def test_no_line_is_torn_whenever_the_signal_comes(folder: Path) -> None:
    for delay in (0.0, 0.1, 0.3):
        process = _started(folder, "--store", f"store-{delay}")
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        events, _ = _ended(process)
        assert (process.returncode, events[-1]["event"]) in {
            (143, "stopped"),
            (0, "study_ended"),
            (-signal.SIGTERM, "study_ended"),  # the command had ended, and Python not yet
        }
