"""A driver that a scheduler ends, or whose terminal is closed, ends as at Ctrl-C: recorded, told, leases removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ablative.orchestrator.storing.store import Store
from tests.helpers.sources import IMPORT_PATH

pytestmark = pytest.mark.slow

STUDY = """
study: stopped
question: What is left of a run that was stopped?
base: {}
arms: {listed: {plain: {}, naive: {distillation.terms.image: 1.0}}}
seeds: {search: [0], confirm: [1, 2, 3, 4, 5, 6]}
evaluate: [val, test]
"""
NUM_TRIALS = 12


def _heed_interrupts() -> None:
    """Undo what a shell does to programs that it starts in the background: they ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def start(tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    """Start `ablate run` of the study, each trial taking so many seconds."""
    (tmp_path / "stopped.yaml").write_text(STUDY)

    def started(seconds: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.helpers.simulated_command", seconds, "run", "stopped.yaml"]
        paths = os.pathsep.join([IMPORT_PATH, os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": paths, "ABLATE_STORE": str(tmp_path / "store")}
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_interrupts,
        )

    return started


def _records(folder: Path) -> int:
    return len(list((folder / "store/studies/stopped/trials").glob("*.arrow.gz")))


def _until(condition: Callable[[], bool], driver: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _leases(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "store/studies/stopped/leases").iterdir())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_run_with_its_status_and_no_lease_is_left(
    number: signal.Signals, status: int, start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    driver = start("0.3")
    _until(lambda: _records(tmp_path) >= 2, driver)
    driver.send_signal(number)
    _, told = driver.communicate(timeout=60)

    assert driver.returncode == status, told
    assert f"Stopped. Finished trials are recorded in {tmp_path / 'store'}; run the same command" in told
    assert "Traceback" not in told
    assert _leases(tmp_path) == []
    assert 2 <= _records(tmp_path) < NUM_TRIALS
    assert start("0").wait(timeout=60) == 0
    assert len(Store.open(str(tmp_path / "store")).records("stopped")) == NUM_TRIALS


def test_the_next_run_removes_the_lease_of_a_killed_one_although_it_owes_nothing(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    assert start("0").wait(timeout=60) == 0
    (tmp_path / "stopped.yaml").write_text(STUDY.replace("[1, 2, 3, 4, 5, 6]", "[1, 2, 3, 4, 5, 6, 7, 8]"))
    driver = start("0.5")
    _until(lambda: any(name.endswith(".owner") for name in _leases(tmp_path)), driver)
    driver.kill()
    driver.communicate()
    assert len(_leases(tmp_path)) == 2

    (tmp_path / "stopped.yaml").write_text(STUDY)
    assert start("0").wait(timeout=60) == 0
    assert _leases(tmp_path) == []
