"""A loss of a person's own, named by --with: it trains, and is owed again when its file changes.

That it reaches Ray's workers, two of them and on other machines: `test_ray_submit` and `test_ray_machines`.
"""

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

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "docs" / "examples"
SMALL = ("seeds.confirm=[1,2]",)


def _ablate(folder: Path, *words: str) -> str:
    program = [sys.executable, "-m", "ablative.orchestrator.commands.cli", *words, "--store", str(folder / "store")]
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH}
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_loss_of_ones_own_trains_and_is_owed_again_when_its_file_changes(tmp_path: Path) -> None:
    for name in ("own_loss.py", "own_loss.yaml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    study = ("own_loss.yaml", *SMALL, "--with", "own_loss.py")

    _ablate(tmp_path, "run", *study, "--executor", "inline")

    records = Store.open(str(tmp_path / "store")).records("own_loss")
    assert {record.arm for record in records} == {"agreement", "published", "no_distillation"}
    assert [record.error for record in records if not record.completed] == []
    assert "6 trials recorded" in _ablate(tmp_path, "plan", *study)

    (tmp_path / "own_loss.py").open("a").write("# another loss\n")

    assert "4 trials recorded" in _ablate(tmp_path, "plan", *study)
