"""Preparing data and features on the cluster, where the trials will look for them."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from ablative.cluster.failures import meaning_of
from ablative.cluster.groups import HEAD_SHARE
from ablative.cluster.session import connect
from ablative.orchestrator.errors import ClusterError
from ablative.progress import Progress
from ablative.search_spaces.study import Resources
from ablative.trainables.config import TrialConfig
from ablative.trainables.prepare import feature_blocks
from ablative.trainables.prepare import prepare_data
from ablative.trainables.teachers.feature_blocks import BLOCK_SIZE
from ablative.trainables.teachers.feature_blocks import BlockCount
from ablative.trainables.teachers.feature_blocks import FeatureBlock
from ablative.trainables.teachers.feature_blocks import compute_block
from ablative.trainables.teachers.feature_blocks import compute_blocks

IN_FLIGHT = 256
"""Blocks that Ray knows of at once; each is a few hundred kB of texts."""
BLOCKS_A_PLACE = 4
"""Without GPUs, a private cluster is started for the features only if every place gets so many blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is done on the cluster, as functions that can be pickled."""

    data: Callable[[Sequence[TrialConfig], Path, Progress], None] = prepare_data
    """What features are computed from."""
    blocks: Callable[[Sequence[TrialConfig], Path], Sequence[FeatureBlock]] = feature_blocks
    """Which features are missing."""
    compute: Callable[[FeatureBlock, Path], None] = compute_block
    """One block of them; may run twice, or at once with itself."""


def prepare_remote(
    configs: Sequence[TrialConfig],
    cache: Path,
    progress: Progress,
    *,
    address: str,
    resources: Resources,
    steps: Preparation | None = None,
) -> None:
    """Prepare the data in one task on the cluster, then compute the teacher's features in as many as it has room for.

    `cache` must be a path that its nodes share. A task has what a worker of a trial has (`resources`). `progress` is
    called here. Killed at any moment, it goes on where it was. Raises what preparing raises, and ClusterError if tasks
    are lost for good.
    """
    steps = steps or Preparation()
    with _translated(), connect(address):
        task = ray.remote(num_cpus=resources.cpus_per_worker, num_returns="streaming", **_place(resources))(_events)
        for event in task.remote(steps.data, list(configs), cache):
            progress(*ray.get(event))
        plan = ray.remote(num_cpus=0, resources=HEAD_SHARE)(_call)
        _compute(ray.get(plan.remote(steps.blocks, list(configs), cache)), cache, progress, resources, steps)


def prepare_private(
    configs: Sequence[TrialConfig],
    cache: Path,
    progress: Progress,
    *,
    resources: Resources,
    steps: Preparation | None = None,
) -> None:
    """Prepare on this machine: features on a private cluster where that pays, else in this process.

    Processes use many CPUs better than threads do, and with GPUs this process must not hold one. Raises as
    `prepare_remote`.
    """
    steps = steps or Preparation()
    steps.data(configs, cache, progress)
    blocks = steps.blocks(configs, cache)
    if not blocks:
        return
    if resources.gpus_per_worker or _pays(blocks, (os.cpu_count() or 1) // resources.cpus_per_worker):
        with _translated(), connect("local"):
            _compute(blocks, cache, progress, resources, steps)
    else:
        compute_blocks(blocks, cache, progress, steps.compute)


def _pays(blocks: Sequence[FeatureBlock], places: int) -> bool:
    whole = sum(len(block.names) / BLOCK_SIZE[block.table] for block in blocks)
    return places > 1 and whole >= BLOCKS_A_PLACE * places


@contextmanager
def _translated() -> Iterator[None]:
    """What a task raised as itself; what Ray raises as a ClusterError."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise ClusterError(f"preparing the data on the cluster failed ({meaning_of(error)}): {error}") from error


def _compute(
    blocks: Sequence[FeatureBlock], cache: Path, progress: Progress, resources: Resources, steps: Preparation
) -> None:
    """Compute blocks in tasks, a worker process keeping its teacher from one to the next; the rest is cancelled at
    the first failure."""
    task = ray.remote(
        num_cpus=resources.cpus_per_worker, num_gpus=resources.gpus_per_worker, resources=dict(resources.custom)
    )(_call)
    count, waiting = BlockCount(blocks, progress), deque(blocks)
    running: dict[ray.ObjectRef[None], FeatureBlock] = {}
    try:
        while waiting or running:
            while waiting and len(running) < IN_FLIGHT:
                block = waiting.popleft()
                running[task.remote(steps.compute, block, cache)] = block
            for done in ray.wait(list(running))[0]:
                ray.get(done)
                count.add(running.pop(done))
    finally:
        for left in running:
            ray.cancel(left)


def _call(step: Callable[..., Any], *arguments: Any) -> Any:
    return step(*arguments)


def _place(resources: Resources) -> dict[str, Any]:
    return {"num_gpus": resources.gpus_per_worker} if resources.gpus_per_worker else {"resources": HEAD_SHARE}


def _events(
    prepare: Callable[[Sequence[TrialConfig], Path, Progress], None], configs: list[TrialConfig], cache: Path
) -> Iterator[tuple[str, int, int]]:
    """Prepare in a thread, and yield the latest progress as often as somebody takes it."""
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
