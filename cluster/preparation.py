"""Preparation on the cluster: makes the files that trials read, where they will look for them."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ablative.cluster.capacity import Shape
from ablative.cluster.capacity import shape_of
from ablative.cluster.failures import meaning_of
from ablative.cluster.groups import HEAD_SHARE
from ablative.cluster.session import connect
from ablative.cluster.session import enter
from ablative.cluster.session import machines
from ablative.cluster.waiting import PATIENCE_S
from ablative.cluster.waiting import has_room
from ablative.cluster.waiting import short_of
from ablative.orchestrator.driving.preparing import Rest
from ablative.orchestrator.errors import ClusterError
from ablative.progress import Progress
from ablative.search_spaces.study import Resources
from ablative.trainables.parts.preparation import Block
from ablative.trainables.parts.preparation import BlockCount
from ablative.trainables.parts.preparation import Preparation

IN_FLIGHT = 256
"""Most blocks submitted to Ray at once; each may be a few hundred kB."""
BLOCKS_A_PLACE = 4
"""Without GPUs, blocks get a private cluster only if each process would compute at least this many whole blocks."""


def prepare_remote(
    configs: Sequence[Any],
    cache: Path,
    progress: Progress,
    *,
    address: str,
    resources: Resources,
    steps: Preparation,
) -> None:
    """Prepare the data in one task on the cluster, then compute the blocks in as many tasks as fit.

    `cache` must be a path that its nodes share. A task has what a worker of a trial has (`resources`); the first one
    runs beside the driver if there is room, else on any machine. `progress` is called here, with a total of 0 while it
    waits. After a kill at any moment it continues where it was. Raises the errors of preparation, and ClusterError if
    tasks are lost for good.
    """
    with _translated(), connect(address):
        task = ray.remote(num_returns="streaming", **_needs(resources), **_place(resources))(_events)
        events = task.remote(os.getcwd(), steps.prepare_data, list(configs), cache)
        _await_begin(events, _alone(resources), progress)
        for event in events:
            progress(*ray.get(event))
        plan = ray.remote(num_cpus=0, resources=HEAD_SHARE)(_call)
        for round_of in steps.rounds:
            blocks = ray.get(plan.remote(os.getcwd(), round_of, list(configs), cache))
            _compute(blocks, cache, progress, resources, steps)


def prepare_private(
    configs: Sequence[Any],
    cache: Path,
    progress: Progress,
    *,
    resources: Resources,
    steps: Preparation,
) -> Rest | None:
    """Prepare on this machine: blocks on a private cluster if that pays, else in this process.

    Processes use many CPUs better than threads do, and with GPUs this process must not hold one. Blocks for this
    process are left for later, so that trials which read none of them need not wait. Raises as `prepare_remote`.
    """
    steps.prepare_data(configs, cache, progress)
    blocks = steps.blocks(configs, cache)
    if not _needs_processes(blocks, resources):
        return Rest(compute=partial(steps.compute_from, blocks, configs, cache), is_read_by=steps.reads_blocks)
    _compute_here(blocks, cache, progress, resources, steps)
    _compute_here(steps.then(configs, cache), cache, progress, resources, steps)
    return None


def _compute_here(
    blocks: Sequence[Block], cache: Path, progress: Progress, resources: Resources, steps: Preparation
) -> None:
    if blocks and _needs_processes(blocks, resources):
        with _translated(), connect("local"):
            _compute(blocks, cache, progress, resources, steps)
    else:
        steps.compute_all(blocks, cache, progress)


def _needs_processes(blocks: Sequence[Block], resources: Resources) -> bool:
    places, whole = (os.cpu_count() or 1) // resources.cpus_per_worker, sum(block.work for block in blocks)
    return bool(resources.gpus_per_worker) or (places > 1 and whole >= BLOCKS_A_PLACE * places)


@contextmanager
def _translated() -> Iterator[None]:
    """Passes on exceptions of a task; turns Ray's own into ClusterError."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise ClusterError(f"preparing the data on the cluster failed ({meaning_of(error)}): {error}") from error


def _compute(
    blocks: Sequence[Block], cache: Path, progress: Progress, resources: Resources, steps: Preparation
) -> None:
    """Compute blocks in tasks; at the first failure, cancel the rest."""
    task = ray.remote(**_needs(resources))(_call)
    count, waiting, folder = BlockCount(blocks, progress), deque(blocks), os.getcwd()
    running: dict[ray.ObjectRef[None], Block] = {}
    try:
        while waiting or running:
            while waiting and len(running) < IN_FLIGHT:
                block = waiting.popleft()
                running[task.remote(folder, steps.compute, block, cache)] = block
            for done in ray.wait(list(running))[0]:
                ray.get(done)
                count.add(running.pop(done))
    finally:
        for left in running:
            ray.cancel(left)


def _call(folder: str, step: Callable[..., Any], *arguments: Any) -> Any:
    enter(folder)
    return step(*arguments)


def _needs(resources: Resources) -> dict[str, Any]:
    """Return the resources of a task: those of one worker of a trial."""
    return {
        "num_cpus": resources.cpus_per_worker,
        "num_gpus": resources.gpus_per_worker,
        "resources": dict(resources.custom),
    }


def _place(resources: Resources) -> dict[str, Any]:
    """Return the best place to prepare the data: beside the driver, which reads it next; with GPUs, anywhere."""
    if resources.gpus_per_worker:
        return {}
    here = ray.get_runtime_context().get_node_id()
    # Soft affinity alone waits for a busy node; a head without CPUs counts as a node that can never run the task.
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(here, soft=True, _spill_on_unavailable=True)}


def _alone(resources: Resources) -> Shape:
    return replace(shape_of(resources), workers=1)


def _await_begin(events: Any, shape: Shape, progress: Progress) -> None:
    """Wait until the task runs; report meanwhile what it waits for."""
    while not ray.wait([events], timeout=PATIENCE_S)[0]:
        nodes, free = machines()[0], ray.available_resources()
        needed = "a process to start" if has_room(shape, free) else short_of(shape, nodes, free)
        progress(f"preparing the data waits for {needed}", 0, 0)
    ray.get(next(events))


def _events(
    folder: str, prepare: Callable[[Sequence[Any], Path, Progress], None], configs: list[Any], cache: Path
) -> Iterator[tuple[str, int, int]]:
    """Prepare in a thread, and yield the latest progress whenever asked; the first value says that it runs."""
    yield "", 0, 0
    enter(folder)
    events: queue.Queue[tuple[str, int, int] | BaseException | None] = queue.Queue()

    def work() -> None:
        try:
            prepare(configs, cache, lambda *event: events.put(event))
        except BaseException as error:  # raised where the driver can see it
            events.put(error)
        else:
            events.put(None)

    threading.Thread(target=work, daemon=True).start()
    while (event := events.get()) is not None:
        if isinstance(event, BaseException):
            raise event
        yield event
