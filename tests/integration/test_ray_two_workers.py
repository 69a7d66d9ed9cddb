"""Two workers a trial: in step, and out of step when one of them has an accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablative.search_spaces.study import Resources
from tests.contract.executor_contract import Ledger
from tests.helpers.simulated import make_queue
from tests.integration.accidents import NUM_TRIALS
from tests.integration.accidents import STUDY
from tests.integration.accidents import metrics
from tests.integration.accidents import only
from tests.integration.accidents import undisturbed
from tests.integration.pair import PairAccidents

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def ledger(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """The study after a run with one group of two workers."""
    from ablative.cluster.executor import RayExecutor

    opened = Ledger(queue=make_queue(STUDY))
    accidents = PairAccidents(marks=str(tmp_path_factory.mktemp("marks")), killed_once=1, raises=2)
    resources = Resources(workers=2, max_concurrent=1)
    executor = RayExecutor(address="local", resources=resources, cache=Path("/nowhere"), run_trial=accidents)
    executor.run(opened.queue, opened.finish)
    return opened


def test_all_trials_are_done_by_both_workers_together(ledger: Ledger) -> None:
    assert len(ledger.records) == NUM_TRIALS
    completed = [record for record in ledger.records if record.completed]
    assert len(completed) == NUM_TRIALS - 1
    assert {record.device for record in completed} == {"total 3"}


def test_each_result_belongs_to_its_own_trial(ledger: Ledger) -> None:
    found, expected = metrics(ledger.records), undisturbed()
    assert found == {trial_id: expected[trial_id] for trial_id in found}


def test_losing_the_other_worker_is_a_lost_worker_and_not_an_error_of_the_trial(ledger: Ledger) -> None:
    record = only(ledger, "wet", 1)
    assert (record.status, record.attempts) == ("completed", 2)


def test_a_worker_that_raises_alone_ends_the_trial_with_its_own_error_and_the_others_go_on(ledger: Ledger) -> None:
    record = only(ledger, "wet", 2)
    assert (record.cause, record.attempts) == ("trainable_error", 1)
    assert "rank 1 raises alone" in record.error
    assert only(ledger, "wet", 3).completed
