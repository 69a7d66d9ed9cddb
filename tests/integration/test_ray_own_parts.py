"""A loss of a person's own, named by --with, on real Ray: it reaches the workers, and a changed one is owed again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ablative.orchestrator.storing.store import Store
from tests.helpers.sources import IMPORT_PATH
from tests.helpers.sources import ROOT
from tests.integration.nodes import nodes

pytestmark = pytest.mark.ray

EXAMPLES = ROOT / "docs" / "examples"
TRIES = 30
SMALL = ("seeds.confirm=[1,2]", "resources.workers=2")


def _ablate(folder: Path, *words: str) -> str:
    program = [sys.executable, "-m", "ablative.orchestrator.commands.cli", *words, "--store", str(folder / "store")]
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH}
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_loss_of_ones_own_trains_on_two_workers_and_is_owed_again_when_its_file_changes(tmp_path: Path) -> None:
    for name in ("own_loss.py", "own_loss.yaml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    study = ("own_loss.yaml", *SMALL, "--with", "own_loss.py")

    _ablate(tmp_path, "run", *study)

    records = Store.open(str(tmp_path / "store")).records("own_loss")
    assert {record.arm for record in records} == {"agreement", "published", "no_distillation"}
    assert [record.error for record in records if not record.completed] == []
    assert {record.num_workers for record in records} == {2}
    assert "6 trials recorded" in _ablate(tmp_path, "plan", *study)

    (tmp_path / "own_loss.py").open("a").write("# another loss\n")

    assert "4 trials recorded" in _ablate(tmp_path, "plan", *study)


def test_a_job_that_ray_submits_carries_the_file_to_its_workers(tmp_path: Path) -> None:
    """`ray job submit` sends the folder; the job runs where the cluster is, with the file that --with names there."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("own_loss.py", "own_loss.yaml"):
        shutil.copy(EXAMPLES / name, home)
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH}
    store = str(tmp_path / "store")
    run = ["run", "own_loss.yaml", "seeds.confirm=[1,2]", "--with", "own_loss.py", "--store", store]
    ablate = [sys.executable, "-m", "ablative.orchestrator.commands.cli", *run, "--address", "auto"]
    with nodes(1, Path(sys.executable), environment) as (_, jobs):
        submit = [str(Path(sys.executable).with_name("ray")), "job", "submit", "--address", jobs, "--working-dir", "."]
        for _ in range(TRIES):
            done = subprocess.run(
                [*submit, "--", *ablate],
                cwd=home,
                env=environment,
                capture_output=True,
                text=True,
                timeout=400,
                check=False,
            )
            if "No available agent" not in done.stderr + done.stdout:
                break
            time.sleep(2)  # a node that has just started has no agent for jobs yet
    assert done.returncode == 0, done.stdout + done.stderr

    records = Store.open(store).records("own_loss")
    assert [record.error for record in records if not record.completed] == []
    assert {record.arm for record in records} == {"agreement", "published", "no_distillation"}
    assert {len(record.parts["term/agreement"]) for record in records if record.arm == "agreement"} == {64}
