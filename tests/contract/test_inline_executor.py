from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ablative.orchestrator.driving.executor import Executor
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.search_spaces.study import Resources
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from tests.contract.executor_contract import ExecutorContract
from tests.contract.executor_contract import Ledger
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study


class TestInlineExecutor(ExecutorContract):
    def make_executor(self, run_trial: SimulatedTrainable, resources: Resources, cache: Path) -> Executor:
        return InlineExecutor(run_trial=run_trial, resources=resources, cache=cache)


def test_a_trial_gets_the_threads_that_its_configuration_asks_for(tmp_path: Path) -> None:
    resources = {"where": [{"when": {"task.data_fraction": 1.0}, "cpus_per_worker": 3}]}
    study = make_study(resources=resources)
    told: dict[float, set[int]] = defaultdict(set)

    def run_trial(job: TrialJob, link: Link) -> TrialOutcome:
        told[job.config.task.data_fraction].add(job.threads)
        return SimulatedTrainable()(job, link)

    ledger = Ledger(queue=make_queue(study))
    InlineExecutor(run_trial=run_trial, resources=study.resources, cache=tmp_path).run(ledger.queue, ledger.finish)
    assert told == {0.05: {1}, 1.0: {3}}
