"""Trials of one study that need different resources; on real Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablative.orchestrator.errors import ClusterError
from ablative.orchestrator.storing.records import Record
from ablative.search_spaces.study import Study
from ablative.trainables.config import TrialConfig
from tests.contract.executor_contract import Ledger
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all
from tests.integration.accidents import metrics
from tests.integration.sized import Sized

pytestmark = pytest.mark.ray
ALL_DATA = {"task.data_fraction": 1.0}
LOST = 3
"""Confirm seed of the trial that loses a worker."""


def study(search: int = 4, confirm: int = 6, **for_all_data: int) -> Study:
    """Two conditions, each with so many search trials, in batches of two, and confirm trials."""
    return make_study(
        arms={"listed": {"plain": {}}},
        search={"trials": search, "batch": 2, "space": {"optim.lr": {"loguniform": [1e-5, 1e-2]}}},
        seeds={"search": [0], "confirm": list(range(1, confirm + 1))},
        resources={"where": [{"when": ALL_DATA, **for_all_data}]},
    )


def run(of: Study, trainable: Sized) -> Ledger:
    from ablative.cluster.executor import RayExecutor

    ledger = Ledger(queue=make_queue(of))
    executor = RayExecutor(address="local", resources=of.resources, cache=Path("/nowhere"), run_trial=trainable)
    executor.run(ledger.queue, ledger.finish)
    return ledger


@pytest.fixture(scope="module")
def ledger(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """The study after a run in which trials with all the data have two workers, and one of them loses one of these."""
    marks = str(tmp_path_factory.mktemp("marks"))
    return run(study(workers=2), Sized(marks=marks, killed_once=LOST))


def under(ledger: Ledger, *, all_data: bool) -> list[Record]:
    return [record for record in ledger.records if record.cell.endswith("=1.0") is all_data]


def test_every_trial_is_completed_as_in_a_plain_loop(ledger: Ledger) -> None:
    assert ledger.queue.done
    assert metrics(ledger.records) == metrics(run_all(make_queue(study(workers=2))))


def test_trials_have_the_workers_that_their_configuration_asks_for(ledger: Ledger) -> None:
    assert [record.num_workers for record in under(ledger, all_data=False)] == [1] * 10
    assert [record.num_workers for record in under(ledger, all_data=True)] == [2] * 10


def test_groups_are_used_again_within_a_shape_and_never_across(ledger: Ledger) -> None:
    small, large = ({r.device for r in under(ledger, all_data=all_data)} for all_data in (False, True))
    assert len(small) < 10
    assert len(large) < 10
    assert not small & large


def test_a_trial_that_lost_a_worker_is_run_again_by_a_group_of_its_shape(ledger: Ledger) -> None:
    assert {r.seed: r.attempts for r in ledger.records if r.attempts > 1} == {LOST: 2}
    (record,) = [r for r in ledger.records if r.attempts > 1]
    assert record.num_workers == 2


@pytest.mark.slow
def test_trials_that_need_the_whole_cluster_take_turns_with_small_ones(ray_cluster: None) -> None:
    of = study(search=2, confirm=2, cpus_per_worker=4)  # each turn is a new group
    ledger = run(of, Sized())
    assert len(metrics(ledger.records)) == len(ledger.records) == 8
    assert {r.device.partition(" with ")[2] for r in under(ledger, all_data=True)} == {"4"}
    assert {r.device.partition(" with ")[2] for r in under(ledger, all_data=False)} == {"1"}


def test_a_study_of_which_one_shape_never_fits_is_refused_at_once_with_the_numbers(ray_cluster: None) -> None:
    with pytest.raises(ClusterError, match=r"needs 9 CPU \(resources: 9 workers.*the cluster has 4 CPU on 1 machine"):
        run(study(workers=9), Sized())


def test_a_shape_that_comes_up_during_the_run_and_never_fits_is_refused_when_it_comes(ray_cluster: None) -> None:
    import ray

    from ablative.cluster.capacity import shape_of
    from ablative.cluster.groups import WorkerGroups

    resources = study(workers=2).resources
    known = shape_of(resources.of(TrialConfig()))
    groups = WorkerGroups(shapes=[known], resources=resources, owed=lambda: 2, scratch="/nowhere", run_trial=Sized())
    job = make_queue(study(workers=2)).trials()[0].job(cache="/nowhere", resources=resources)
    try:
        groups.offer([(job, shape_of(resources.model_copy(update={"workers": 4})))])
        with pytest.raises(ClusterError, match=r"needs 5 CPU .*the cluster has 4 CPU"):
            groups.offer([(job, shape_of(resources.model_copy(update={"workers": 5})))])
    finally:
        ray.kill(groups.board)
