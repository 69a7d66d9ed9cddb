"""A driver that is stopped and one that is killed: what was recorded stays, the rest is run, nothing lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.records import Record
from orchestrator.store import Store
from tests.integration.simulated_study import NUM_TRIALS
from tests.integration.simulated_study import STUDY
from tests.integration.simulated_study import open_ledger
from tests.integration.simulated_study import run_here
from tests.integration.simulated_study import values

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
START_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the drivers of one study leave their traces."""

    store: str
    executions: Path

    def drive(self) -> subprocess.Popen[bytes]:
        """Start a driver in a process group of its own."""
        command = [sys.executable, "-m", "tests.integration.drive", self.store, str(self.executions)]
        return subprocess.Popen(command, cwd=ROOT, start_new_session=True)

    def records(self) -> list[Record]:
        """Return what is recorded so far."""
        store = Store.open(self.store)
        return store.records(STUDY.study) if STUDY.study in store.studies() else []

    def executed(self) -> Counter[str]:
        """Return how often each trial was started."""
        return Counter({path.name: path.stat().st_size for path in self.executions.iterdir()})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty store."""
    (tmp_path / "executions").mkdir()
    return Place(store=str(tmp_path / "store"), executions=tmp_path / "executions")


def _until(condition: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to pass in time"
        time.sleep(0.1)


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def _are_gone(records: list[Record]) -> bool:
    return all(_is_gone(int(record.metrics["process"])) for record in records)


def test_an_interrupted_and_a_killed_driver_lose_nothing_and_repeat_nothing(place: Place) -> None:
    driver = place.drive()
    _until(lambda: len(place.records()) >= 3, START_S)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=30) == 130
    stopped = place.records()
    _until(lambda: _are_gone(stopped), 20)

    driver = place.drive()
    _until(lambda: len(place.records()) >= len(stopped) + 3, START_S)
    driver.kill()
    driver.wait(timeout=30)
    killed = place.records()
    assert len(stopped) < len(killed) < NUM_TRIALS
    _until(lambda: _are_gone(killed), 20)

    before = place.executed()
    assert place.drive().wait(timeout=START_S) == 0
    assert {record.trial_id: place.executed()[record.trial_id] for record in killed} == {
        record.trial_id: before[record.trial_id] for record in killed
    }
    undisturbed = open_ledger()
    run_here(undisturbed)
    assert len(place.records()) == NUM_TRIALS
    assert values(place.records()) == values(undisturbed.records)
