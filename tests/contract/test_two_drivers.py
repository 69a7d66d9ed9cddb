"""Two drivers in two processes on one store, real leases, real records."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.store import Store
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import executions
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

pytestmark = pytest.mark.slow

STUDY = make_study()


def drive(uri: str, marks: str) -> None:
    """Run the study as `ablate run` does."""
    store = Store.open(uri)
    run_trial = SimulatedTrainable(ledger=marks, seconds=0.02)
    executor = InlineExecutor(run_trial=run_trial, resources=STUDY.resources, cache=Path(marks))
    with store.claims(STUDY.study) as claims:
        summary = run_study(make_experiment(STUDY), store, executor, QuietDisplay(), claims=claims)
    assert summary.num_failed == 0


def test_two_drivers_share_a_study_and_run_no_trial_twice(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    context = multiprocessing.get_context("spawn")
    drivers = [context.Process(target=drive, args=(str(tmp_path / "store"), str(marks))) for _ in range(2)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(60)
        assert driver.exitcode == 0

    recorded = {record.trial_id: record.metrics for record in Store.open(str(tmp_path / "store")).records(STUDY.study)}
    alone = {record.trial_id: record.metrics for record in run_all(make_queue(STUDY))}
    assert recorded == alone
    assert executions(marks) == dict.fromkeys(alone, 1)
