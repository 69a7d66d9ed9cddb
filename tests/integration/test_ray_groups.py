"""What becomes of worker groups: renewed, hung, watched, and refused where they never fit; on real Ray."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablative.orchestrator.errors import ClusterError
from ablative.orchestrator.storing.records import Record
from ablative.search_spaces.study import Resources
from tests.contract.executor_contract import Ledger
from tests.integration.restless import EVALUATIONS
from tests.integration.restless import LEAK_MB
from tests.integration.restless import Restless
from tests.integration.restless import WatchingQueue
from tests.integration.restless import plain_study
from tests.integration.unhosted import Unhosted

pytestmark = pytest.mark.ray
OUT_OF_MEMORY_ONCE, OUT_OF_MEMORY, LEAKS, HANGS, KILLED = 1, 2, 5, 6, 8


def run(resources: Resources, marks: Path) -> Ledger:
    from ablative.cluster.executor import RayExecutor

    ledger = Ledger(queue=WatchingQueue(plain_study(8)))
    trainable = Restless(
        marks=str(marks),
        out_of_memory_once=OUT_OF_MEMORY_ONCE,
        out_of_memory=OUT_OF_MEMORY,
        hangs=HANGS,
        leaks=LEAKS,
        killed_once=KILLED,
    )
    executor = RayExecutor(address="local", resources=resources, cache=Path("/nowhere"), run_trial=trainable)
    executor.run(ledger.queue, ledger.finish)
    return ledger


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marks")


@pytest.fixture(scope="module")
def ledger(ray_cluster: None, marks: Path) -> Ledger:
    """One slot, and a new group after every second trial at the latest."""
    limits = {"trials_per_group": 2, "memory_limit_mb": LEAK_MB + 120.0, "time_limit_s": 2.0}
    return run(Resources(max_concurrent=1, retry_out_of_memory=True, **limits), marks)


def of(ledger: Ledger, seed: int) -> Record:
    (record,) = [record for record in ledger.records if record.seed == seed]
    return record


@pytest.mark.slow
def test_a_group_is_renewed_after_its_trials_and_after_memory_left_behind(ledger: Ledger) -> None:
    assert {record.seed for record in ledger.records if record.completed} == {1, 3, 4, LEAKS, 7, KILLED}
    three, four, leaked, seven = (of(ledger, seed).device for seed in (3, 4, LEAKS, 7))
    assert three == four
    assert len({four, leaked, seven}) == 3


@pytest.mark.slow
def test_a_trial_out_of_memory_gets_one_more_attempt_in_a_new_group(ledger: Ledger, marks: Path) -> None:
    again = of(ledger, OUT_OF_MEMORY_ONCE)
    assert (again.status, again.attempts) == ("completed", 2)
    lost = of(ledger, OUT_OF_MEMORY)
    assert (lost.status, lost.cause, lost.attempts) == ("failed", "out_of_memory", 2)
    assert lost.lost_seconds is not None
    full = (marks / str(OUT_OF_MEMORY_ONCE)).read_text()
    assert full not in {record.device for record in ledger.records}, "nothing ran there any more"


@pytest.mark.slow
def test_a_trial_that_hangs_is_ended_by_its_time_limit_and_recorded_with_its_curve_so_far_and_what_it_cost(
    ledger: Ledger,
) -> None:
    hung = of(ledger, HANGS)
    assert (hung.status, hung.cause, hung.attempts) == ("failed", "time_limit", 1)
    assert "time limit of 2 s" in hung.error
    assert hung.device_seconds == hung.seconds > 2.0
    assert len(ledger.outcomes[hung.trial_id].curve) == EVALUATIONS


@pytest.mark.slow
def test_a_trial_whose_process_was_ended_is_run_again_and_every_place_is_given_back(ledger: Ledger) -> None:
    import ray
    from ray.util import placement_group_table

    killed = of(ledger, KILLED)
    assert (killed.status, killed.attempts) == ("completed", 2)
    until = time.monotonic() + 10
    while ray.available_resources().get("CPU") != ray.cluster_resources()["CPU"] and time.monotonic() < until:
        time.sleep(0.1)
    assert {group["state"] for group in placement_group_table().values()} == {"REMOVED"}


@pytest.mark.slow
def test_a_rule_sees_every_point_of_a_trial_once_and_in_order(ledger: Ledger) -> None:
    assert isinstance(ledger.queue, WatchingQueue)
    for number in (1, 3, 4, LEAKS, HANGS, 7):
        steps = [point.step for seed, point in ledger.queue.seen if seed == number]
        assert steps == list(range(1, EVALUATIONS + 1))


def test_the_board_answers_however_many_wait_for_it(ray_cluster: None) -> None:
    import ray

    from ablative.cluster.groups import GroupHost
    from ablative.cluster.tickets import Later

    slots, places = 12, 3
    board = ray.remote(num_cpus=0, max_concurrency=places + 3)(GroupHost).remote(places=places)
    ray.get([board.join.remote(slot, "a", size=1, rank=0, pid=slot) for slot in range(slots)])
    waiting = [board.take.remote(slot, "a", 0) for slot in range(slots)]
    assert ray.get(board.news.remote(), timeout=30).ended == ()
    told, still = ray.wait(waiting, num_returns=slots - places, timeout=30)
    assert all(isinstance(answer, Later) for answer in ray.get(told))
    assert len(still) == places
    ray.get(board.close.remote())
    assert ray.get(still) == [None] * places
    ray.kill(board)


@pytest.mark.slow
def test_under_an_unknown_ray_slots_have_ray_trains_own_controllers(
    ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ablative.cluster import groups
    from ablative.cluster.executor import RayExecutor

    monkeypatch.setattr(groups, "GroupHost", Unhosted)
    ledger = Ledger(queue=WatchingQueue(plain_study(8)))
    trainable = Restless(marks=str(tmp_path), killed_once=KILLED)
    resources = Resources(max_concurrent=1)
    executor = RayExecutor(address="local", resources=resources, cache=Path("/nowhere"), run_trial=trainable)
    executor.run(ledger.queue, ledger.finish)
    assert {record.status for record in ledger.records} == {"completed"}
    assert of(ledger, KILLED).attempts == 2


def test_a_study_that_never_fits_is_refused_at_once_with_the_numbers(ray_cluster: None, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"needs 10 CPU .*each with 5 CPU on one machine.*has 4 CPU on 1 machine"):
        run(Resources(workers=2, cpus_per_worker=5), tmp_path)


@pytest.fixture
def autoscaler(ray_cluster: None) -> Iterator[None]:
    """What an autoscaler of at most three machines, each with eight CPUs and a GPU, writes down; it starts none."""
    from ray import _raylet
    from ray.core.generated.autoscaler_pb2 import ClusterConfig
    from ray.experimental import internal_kv

    config = ClusterConfig()
    config.node_group_configs.add(name="large", max_count=3, resources={"CPU": 8, "GPU": 1})
    key = _raylet.GCS_AUTOSCALER_CLUSTER_CONFIG_KEY.encode()
    space = _raylet.GCS_AUTOSCALER_STATE_NAMESPACE.encode()
    internal_kv._internal_kv_put(key, config.SerializeToString(), overwrite=True, namespace=space)
    yield
    internal_kv._internal_kv_del(key, namespace=space)


def test_what_an_autoscaler_can_add_is_reckoned_with_and_is_the_limit(autoscaler: None) -> None:
    from ablative.cluster.capacity import capacity
    from ablative.cluster.capacity import require
    from ablative.cluster.capacity import shape_of
    from ablative.cluster.session import machines

    on_gpus, on_many = (shape_of(Resources(workers=workers, gpus_per_worker=1)) for workers in (3, 4))
    require([on_gpus], *machines())
    assert capacity([on_gpus], *machines()) == 1
    with pytest.raises(ClusterError, match=r"needs 4 CPU, 4 GPU .* has 4 CPU, 0 GPU on 1 machine and grows to 24 CPU"):
        require([on_many], *machines())
