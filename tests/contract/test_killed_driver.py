"""A driver that is killed at any moment loses at most the trial that it was running."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from ablative.orchestrator.storing.store import Store
from tests.helpers.simulated import executions
from tests.helpers.simulated_driver import NUM_TRIALS
from tests.helpers.simulated_driver import STUDY
from tests.helpers.simulated_driver import main

VOLATILE = ["started_at", "finished_at"]
KILLS = 2


def _results(folder: Path) -> pa.Table:
    return Store.open(str(folder)).table(STUDY.study).drop_columns(VOLATILE)


def _run_until_killed(store: Path, ledger: Path, records: int) -> None:
    """Start a driver and kill it when the store holds more than `records`."""
    command = [sys.executable, "-m", "tests.helpers.simulated_driver", str(store), str(ledger), "0.02"]
    driver = subprocess.Popen(command)
    trials = store / "studies" / STUDY.study / "trials"
    deadline = time.monotonic() + 60
    while not trials.is_dir() or len(list(trials.glob("*.arrow.gz"))) <= records:
        assert time.monotonic() < deadline
        assert driver.poll() is None, "the driver came to its end before it was killed"
        time.sleep(0.002)
    driver.send_signal(signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_a_killed_study_goes_on_and_ends_as_if_undisturbed(tmp_path: Path) -> None:
    store, ledger, undisturbed, calm = (tmp_path / name for name in ("store", "ledger", "undisturbed", "calm"))
    ledger.mkdir()
    calm.mkdir()
    main(str(undisturbed), str(calm), "0")

    seen = 0
    recorded: set[str] = set()
    for _ in range(KILLS):
        _run_until_killed(store, ledger, seen + 4)
        recorded = {record.trial_id for record in Store.open(str(store)).records(STUDY.study)}
        seen = len(recorded)
    before = executions(ledger)
    main(str(store), str(ledger), "0")

    after = executions(ledger)
    assert {trial: after[trial] for trial in recorded} == {trial: before[trial] for trial in recorded}
    assert sum(after.values()) <= NUM_TRIALS + KILLS
    assert len(after) == NUM_TRIALS
    assert _results(store).equals(_results(undisturbed))
    assert Store.open(str(store)).problems == []
