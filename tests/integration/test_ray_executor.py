"""The executor on Ray: what holds for every executor, and what happens when workers are lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ablative.orchestrator.driving.executor import Executor
from ablative.search_spaces.study import Resources
from tests.contract.executor_contract import ExecutorContract
from tests.contract.executor_contract import Ledger
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import executions
from tests.helpers.simulated import make_queue
from tests.integration.accidents import NUM_TRIALS
from tests.integration.accidents import STUDY
from tests.integration.accidents import Accidents
from tests.integration.accidents import metrics
from tests.integration.accidents import only
from tests.integration.accidents import undisturbed

pytestmark = pytest.mark.ray
SLOTS = 2


@pytest.mark.usefixtures("ray_cluster")
class TestRayExecutor(ExecutorContract):
    def make_executor(self, run_trial: SimulatedTrainable, resources: Resources, cache: Path) -> Executor:
        from ablative.cluster.executor import RayExecutor

        two_at_once = resources.model_copy(update={"max_concurrent": SLOTS})
        return RayExecutor(address="local", resources=two_at_once, cache=cache, run_trial=run_trial)


class TestLostWorkers:
    """One confirm trial is killed once, and one every time."""

    @pytest.fixture(scope="class")
    @classmethod
    def marks(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("marks")

    @pytest.fixture(scope="class")
    @classmethod
    def ledger(cls, ray_cluster: None, marks: Path) -> Ledger:
        from ablative.cluster.executor import RayExecutor

        ledger = Ledger(queue=make_queue(STUDY))
        run_trial = Accidents(simulated=SimulatedTrainable(ledger=str(marks)), killed_once=1, killed_always=3)
        resources = Resources(workers=1, max_concurrent=SLOTS)
        executor = RayExecutor(address="local", resources=resources, cache=marks, run_trial=run_trial)
        executor.run(ledger.queue, ledger.finish)
        return ledger

    def test_no_trial_is_lost_with_its_worker(self, ledger: Ledger) -> None:
        completed, expected = metrics(ledger.records), undisturbed()
        assert len(expected) == NUM_TRIALS
        assert {record.trial_id for record in ledger.records} == set(expected)
        assert len(completed) == NUM_TRIALS - 1
        assert completed == {trial: expected[trial] for trial in completed}

    def test_a_trial_whose_worker_was_killed_is_run_again_and_completed(self, ledger: Ledger, marks: Path) -> None:
        record = only(ledger, "wet", 1)
        assert (record.status, record.attempts) == ("completed", 2)
        assert executions(marks)[record.trial_id] == 2

    def test_a_trial_that_ends_its_worker_every_time_is_recorded_as_such(self, ledger: Ledger, marks: Path) -> None:
        record = only(ledger, "wet", 3)
        assert (record.status, record.cause, record.attempts) == ("failed", "worker_lost", 3)
        assert record.error.startswith("ActorDiedError")
        assert executions(marks)[record.trial_id] == 3

    def test_workers_stay_from_trial_to_trial(self, ledger: Ledger) -> None:
        processes = {record.device for record in ledger.records if record.completed}
        losses = 4  # one killed once, one killed three times: each needs a new process
        assert len(processes) <= SLOTS + losses < NUM_TRIALS - 1

    def test_the_cpus_are_given_back_on_a_cluster_that_stays(self, ledger: Ledger) -> None:
        import ray

        until = time.monotonic() + 30  # the cluster hears of it when the workers' processes have ended
        while ray.available_resources()["CPU"] < ray.cluster_resources()["CPU"] and time.monotonic() < until:
            time.sleep(0.1)
        assert ray.available_resources()["CPU"] == ray.cluster_resources()["CPU"]
