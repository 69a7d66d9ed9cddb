"""A loss of a person's own, named by --with, on real Ray: it reaches the workers, and a changed one is owed again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ablative.orchestrator.storing.store import Store
from tests.helpers.sources import IMPORT_PATH
from tests.helpers.sources import ROOT

pytestmark = pytest.mark.ray

EXAMPLES = ROOT / "docs" / "examples"
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
