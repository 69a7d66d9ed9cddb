"""A driver that is stopped and one that is killed: what was recorded stays, the rest is run, nothing lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import executions
from tests.helpers.simulated import make_experiment
from tests.integration.accidents import NUM_TRIALS
from tests.integration.accidents import STUDY
from tests.integration.accidents import Accidents
from tests.integration.accidents import metrics
from tests.integration.accidents import undisturbed

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
START_S = 300
EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143


def _heed_interrupts() -> None:
    """Undo what a shell does to programs that it starts in the background: they ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the drivers of one study leave their traces."""

    store: str
    marks: Path
    said: Path
    """Standard error of the latest driver."""

    def drive(self) -> subprocess.Popen[bytes]:
        """Start a driver in a process group of its own."""
        command = [sys.executable, "-m", "tests.integration.drive", self.store, str(self.marks)]
        with self.said.open("wb") as said:
            return subprocess.Popen(
                command, cwd=ROOT, start_new_session=True, preexec_fn=_heed_interrupts, stderr=said
            )

    def finish(self) -> None:
        """Run the rest here: that Ray goes on where it was ended, the second and the third driver have shown."""
        run_trial = Accidents(simulated=SimulatedTrainable(ledger=str(self.marks)))
        executor = InlineExecutor(run_trial=run_trial, resources=STUDY.resources, cache=self.marks)
        run_study(make_experiment(STUDY), Store.open(self.store), executor, QuietDisplay())

    def records(self) -> list[Record]:
        """Return what is recorded so far."""
        store = Store.open(self.store)
        return store.records(STUDY.study) if STUDY.study in store.studies() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty store."""
    (tmp_path / "marks").mkdir()
    return Place(store=str(tmp_path / "store"), marks=tmp_path / "marks", said=tmp_path / "said")


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
    return all(_is_gone(int(record.device)) for record in records)


def test_an_interrupted_a_terminated_and_a_killed_driver_lose_nothing_and_repeat_nothing(place: Place) -> None:
    driver = place.drive()
    _until(lambda: len(place.records()) >= 3, START_S)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=30) == EXIT_INTERRUPTED
    stopped = place.records()
    _until(lambda: _are_gone(stopped), 20)

    driver = place.drive()
    _until(lambda: len(place.records()) >= len(stopped) + 3, START_S)
    driver.send_signal(signal.SIGTERM)
    assert driver.wait(timeout=30) == EXIT_TERMINATED
    assert "SIGTERM" not in place.said.read_text(), "Ray prints a stack trace where it takes the signal itself"
    terminated = place.records()
    _until(lambda: _are_gone(terminated), 20)

    driver = place.drive()
    _until(lambda: len(place.records()) >= len(terminated) + 3, START_S)
    driver.kill()
    driver.wait(timeout=30)
    killed = place.records()
    assert len(stopped) < len(terminated) < len(killed) < NUM_TRIALS
    _until(lambda: _are_gone(killed), 20)

    before = executions(place.marks)
    place.finish()
    after = executions(place.marks)
    assert {record.trial_id: after[record.trial_id] for record in killed} == {
        record.trial_id: before[record.trial_id] for record in killed
    }
    assert len(place.records()) == NUM_TRIALS
    assert metrics(place.records()) == undisturbed()
