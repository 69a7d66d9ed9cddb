from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from functools import partial
from typing import Any

import pytest
from ray.exceptions import NodeDiedError
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from ablative.cluster import groups
from ablative.cluster import train_run
from ablative.cluster.board import ANY
from ablative.cluster.capacity import Shape
from ablative.cluster.capacity import shape_of
from ablative.cluster.hosted_trainer import HostedTrainer
from ablative.search_spaces.study import Resources
from ablative.trainables.config import TrialConfig
from ablative.trainables.job import TrialJob
from tests.helpers.sources import ROOT

PLAIN = shape_of(Resources())


async def _settled(host: groups.GroupHost) -> dict[int, str]:
    """Start one slot and wait until it is given up."""
    await host.start(range(1), {}, PLAIN, "/scratch")
    for _ in range(200):
        await asyncio.sleep(0.005)
        if not host._threads[0].is_alive():
            return dict((await host.standing()).failures)
    raise AssertionError("the slot is still being kept")


def test_a_slot_whose_group_never_takes_a_trial_is_given_up_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(settings: dict[str, Any], shape: Shape, scratch: str, reserve: Any) -> None:
        raise ModuleNotFoundError("No module named 'trainables'")

    monkeypatch.setattr(groups, "train", fail)
    assert asyncio.run(_settled(groups.GroupHost())) == {0: "ModuleNotFoundError: No module named 'trainables'"}


def test_a_slot_is_kept_as_long_as_each_run_takes_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []

    async def scene() -> dict[int, str]:
        host = groups.GroupHost()
        for name in ("t1", "t2"):
            job = TrialJob(trial_id=name, config=TrialConfig(), seed=0, evaluate=("val",), cache="/cache")
            await host.offer((job, ANY))

        def take_one_and_die(settings: dict[str, Any], shape: Shape, scratch: str, reserve: Any) -> None:
            runs.append(settings["slot"])
            if len(runs) <= 2:
                host.taken[0] += 1
            raise RuntimeError("died")

        monkeypatch.setattr(groups, "train", take_one_and_die)
        return await _settled(host)

    assert asyncio.run(scene()) == {0: "RuntimeError: died"}
    assert runs == [0, 0, 0]


class Timeout(Exception):
    """Of the name that Ray Train gives it."""


Timeout.__name__ = "WorkerGroupStartupTimeoutError"


class LostController(Exception):
    """As Ray Train wraps it."""

    controller_failure = Timeout("no room in 180 s")


@pytest.mark.parametrize("error", [Timeout("no room in 180 s"), LostController(), NodeDiedError("it was taken away")])
def test_a_slot_that_finds_no_room_waits_for_it_and_is_shown_waiting(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    runs = []
    monkeypatch.setattr(groups, "PATIENCE_S", 0.0)

    async def scene() -> groups.Standing:
        host, may_end = groups.GroupHost(), threading.Event()

        def find_no_room(settings: dict[str, Any], shape: Shape, scratch: str, reserve: Any) -> None:
            runs.append(settings["slot"])
            if len(runs) < 10:
                raise error
            may_end.wait(timeout=5)
            raise error

        monkeypatch.setattr(groups, "train", find_no_room)
        await host.start(range(1), {}, PLAIN, "/scratch")
        while len(runs) < 10:
            await asyncio.sleep(0.005)
        await host.standing()
        await asyncio.sleep(0.005)
        standing = await host.standing()
        await host.close()
        may_end.set()
        while host._threads[0].is_alive():
            await asyncio.sleep(0.005)
        return standing

    standing = asyncio.run(scene())
    assert standing.failures == {}
    assert (standing.begun, list(standing.late)) == (1, [0])


def test_a_slot_that_was_given_up_is_taken_up_again_when_it_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []

    def fail(settings: dict[str, Any], shape: Shape, scratch: str, reserve: Any) -> None:
        runs.append(settings["slot"])
        raise RuntimeError("a machine without our packages")

    async def scene() -> None:
        host = groups.GroupHost()
        assert await _settled(host) != {}
        host.take_up(0)
        assert (await host.standing()).failures == {}
        await _settled(host)

    monkeypatch.setattr(groups, "train", fail)
    asyncio.run(scene())
    assert runs == [0, 0]


@pytest.mark.parametrize("only_up", [True, False])
def test_the_end_waits_for_a_group_that_starts_unless_there_may_be_no_room_for_it(
    monkeypatch: pytest.MonkeyPatch, only_up: bool
) -> None:
    began, ended = threading.Event(), threading.Event()

    def start_slowly(settings: dict[str, Any], shape: Shape, scratch: str, reserve: Any) -> None:
        began.set()
        time.sleep(0.3)
        ended.set()

    async def scene() -> bool:
        host = groups.GroupHost()
        await host.start(range(1), {}, PLAIN, "/scratch")
        while not began.is_set():
            await asyncio.sleep(0.005)
        await host.finish(5.0, only_up=only_up)
        waited = ended.is_set()
        while host._threads[0].is_alive():
            await asyncio.sleep(0.005)
        return waited

    monkeypatch.setattr(groups, "train", start_slowly)
    assert asyncio.run(scene()) is not only_up


def test_a_group_reserves_what_the_study_asks_for() -> None:
    scaling = train_run.scaling(shape_of(Resources(workers=2, cpus_per_worker=3, gpus_per_worker=0.5)))
    assert scaling.total_resources == {"CPU": 6.0, "GPU": 1.0}
    assert train_run.scaling(PLAIN).total_resources == {"CPU": 1.0}


def test_private_pieces_of_ray_are_replaced_in_the_pinned_version_alone() -> None:
    def kind(version: str) -> type[DataParallelTrainer]:
        made = train_run.trainer_for(version, "quickstart slot 0", [].append)
        return made.func if isinstance(made, partial) else made

    [pinned] = re.findall(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert kind(pinned) is HostedTrainer
    assert kind("2.50.1") is kind("3.0.0") is DataParallelTrainer


@pytest.mark.slow
def test_a_worker_that_is_alone_meets_nobody_and_rays_own_processes_import_no_torch_for_it() -> None:
    code = """
import sys
from ablative.cluster import train_run
from ablative.cluster.capacity import shape_of
from ablative.search_spaces.study import Resources
alone = train_run.meeting(shape_of(Resources()))
print(type(alone).__name__, "torch" in sys.modules)
print(type(train_run.meeting(shape_of(Resources(workers=2)))).__name__, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["BackendConfig False", "MeetingConfig True"]


ELASTIC = shape_of(Resources.model_validate({"workers": {"min": 1, "max": 4}}))


def _widths(monkeypatch: pytest.MonkeyPatch, nodes: list[dict[str, float]], errors: list[Exception]) -> list[int]:
    """Return how many workers the groups of one slot had that ended with these errors, and its last one."""
    found = []

    async def scene() -> None:
        host = groups.GroupHost(only=ELASTIC)

        def fail(settings: dict[str, Any], shape: Shape, scratch: str, reserve: Any) -> None:
            found.append(shape.workers)
            if len(found) > len(errors):
                host.closed = True
                return
            raise errors[len(found) - 1]

        monkeypatch.setattr(groups, "train", fail)
        monkeypatch.setattr(groups, "lasting", lambda: nodes)
        await host.start(range(1), {}, PLAIN, "/scratch")
        while host._threads[0].is_alive():
            await asyncio.sleep(0.005)

    asyncio.run(scene())
    return found


def test_an_elastic_group_has_as_many_workers_as_the_machines_that_stay_have_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes = [{"CPU": 2.0}, {"CPU": 2.0}]
    assert _widths(monkeypatch, nodes, []) == [4]
    assert _widths(monkeypatch, nodes[:1], []) == [2]


def test_an_elastic_group_that_does_not_come_up_is_tried_with_fewer_workers_and_then_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes = [{"CPU": 4.0}]
    assert _widths(monkeypatch, nodes, [Timeout("no room in 180 s")]) == [4, 2]
    assert _widths(monkeypatch, nodes, [Timeout("no room in 180 s")] * 3) == [4, 2, 1, 4]
    assert _widths(monkeypatch, nodes, [RuntimeError("no such module")] * 3) == [4, 2, 1]


def test_an_elastic_group_that_lost_a_worker_waits_until_the_machine_is_known_to_be_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, asked = [], []

    def nodes() -> list[dict[str, float]]:
        asked.append(len(found))
        return [{"CPU": 2.0}] * (2 if asked.count(1) < 4 else 1)

    async def scene() -> None:
        host = groups.GroupHost(only=ELASTIC)

        def lose(settings: dict[str, Any], shape: Shape, scratch: str, reserve: Any) -> None:
            found.append(shape.workers)
            host.taken[0] += 1
            host.closed = len(found) == 2
            raise RuntimeError("a worker was lost")

        monkeypatch.setattr(groups, "train", lose)
        await host.start(range(1), {}, PLAIN, "/scratch")
        while host._threads[0].is_alive():
            await asyncio.sleep(0.005)

    monkeypatch.setattr(groups, "lasting", nodes)
    monkeypatch.setattr(groups, "CHECK_S", 0.01)
    asyncio.run(scene())
    assert found == [4, 2]


def test_an_elastic_group_ends_after_its_trial_where_a_machine_has_come_that_makes_it_wider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def leaves(nodes: list[dict[str, float]]) -> bool:
        host = groups.GroupHost(only=ELASTIC)
        monkeypatch.setattr(groups, "lasting", lambda: nodes)
        host._up[0] = (0.0, ELASTIC.widths[1])
        for rank in range(2):
            await host.join(0, "token", size=2, rank=rank, pid=rank)
        job = TrialJob(trial_id="t", config=TrialConfig(), seed=0, evaluate=("val",), cache="/cache")
        await host.offer((job, ELASTIC))
        await host.take(0, "token", 0)
        await host.resize(groups.Premises(slots=1, nodes=nodes))
        return host._groups[0].closing

    assert asyncio.run(leaves([{"CPU": 2.0}])) is False
    assert asyncio.run(leaves([{"CPU": 2.0}, {"CPU": 2.0}])) is True
