"""One worker a trial, several trials at once, and all the accidents in one run: groups take seconds to start."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.records import Record
from search_spaces.study import Resources
from tests.integration.simulated_study import NUM_TRIALS
from tests.integration.simulated_study import Accidents
from tests.integration.simulated_study import Ledger
from tests.integration.simulated_study import open_ledger
from tests.integration.simulated_study import run_here
from tests.integration.simulated_study import values

pytestmark = pytest.mark.ray
SLOTS = 2


@pytest.fixture(scope="module")
def accidents(tmp_path_factory: pytest.TempPathFactory) -> Accidents:
    """One confirm trial is killed once, one always, one raises."""
    return Accidents(folder=str(tmp_path_factory.mktemp("executions")), killed_once=1, raises=2, killed_always=3)


@pytest.fixture(scope="module")
def ledger(ray_cluster: None, accidents: Accidents) -> Ledger:
    """The study after a run on the shared cluster."""
    from cluster.executor import RayExecutor

    opened = open_ledger()
    resources = Resources(workers=1, max_concurrent=SLOTS)
    executor = RayExecutor(address="local", resources=resources, cache=Path("/nowhere"), run_trial=accidents)
    executor.run(opened.queue, opened.finish)
    return opened


def _executions(accidents: Accidents, record: Record) -> int:
    return (Path(accidents.folder) / record.trial_id).stat().st_size


def test_every_trial_has_one_record(ledger: Ledger) -> None:
    assert ledger.queue.done
    assert len(ledger.records) == len({record.trial_id for record in ledger.records}) == NUM_TRIALS


def test_results_are_those_of_a_run_in_one_process(ledger: Ledger) -> None:
    alone = open_ledger()
    run_here(alone)
    found, expected = values(ledger.records), values(alone.records)
    assert {record.trial_id for record in ledger.records} == set(expected)
    assert len(found) == NUM_TRIALS - 2
    assert found == {trial_id: expected[trial_id] for trial_id in found}


def test_a_trial_whose_worker_was_killed_is_run_again_and_completed(ledger: Ledger, accidents: Accidents) -> None:
    record = ledger.only("wet", 1)
    assert (record.status, record.attempts) == ("completed", 2)
    assert _executions(accidents, record) == 2


def test_a_trial_that_kills_its_worker_every_time_is_recorded_as_a_lost_worker(
    ledger: Ledger, accidents: Accidents
) -> None:
    record = ledger.only("wet", 3)
    assert (record.status, record.cause, record.attempts) == ("failed", "worker_lost", 3)
    assert record.error.startswith("ActorDiedError")
    assert _executions(accidents, record) == 3


def test_a_trial_that_raises_is_a_row_with_its_traceback_and_runs_once(ledger: Ledger, accidents: Accidents) -> None:
    record = ledger.only("wet", 2)
    assert (record.status, record.cause, record.attempts) == ("failed", "trainable_error", 1)
    assert "this trial raises" in record.error
    assert _executions(accidents, record) == 1


def test_workers_stay_from_trial_to_trial(ledger: Ledger) -> None:
    processes = [record.metrics["process"] for record in ledger.records if record.completed]
    losses = 4  # one killed once, one killed three times: each needs a new process
    assert len(set(processes)) <= SLOTS + losses < len(processes)


def test_the_cpus_are_given_back_on_a_cluster_that_stays(ledger: Ledger) -> None:
    import ray

    assert ray.available_resources()["CPU"] == 4.0
