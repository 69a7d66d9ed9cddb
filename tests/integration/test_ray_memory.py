"""What Ray ends for want of memory: the trial that took it is tried once more and recorded, and the others run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ablative.orchestrator.storing.store import Store
from tests.integration.hungry import HUNGRY
from tests.integration.hungry import STUDY

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.ray
@pytest.mark.slow
def test_a_trial_that_ray_ends_for_memory_is_tried_once_more_and_recorded_and_the_others_run(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    command = [sys.executable, "-m", "tests.integration.hungry", str(store)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)

    assert ended.returncode == 0, ended.stderr[-3000:]
    records = {record.seed: record for record in Store.open(str(store)).records(STUDY.study)}
    assert {seed for seed, record in records.items() if record.completed} == {1, 3}
    hungry = records[HUNGRY]
    assert (hungry.status, hungry.cause, hungry.attempts) == ("failed", "out_of_memory", 2)
    assert "killed due to the node running low on memory" in hungry.error
    assert "\n" not in hungry.error
