"""Preparing data and features on the cluster, where the trials will look for them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray

from cluster.failures import meaning_of
from cluster.groups import HEAD_SHARE
from cluster.session import connect
from orchestrator.errors import ClusterError
from search_spaces.study import Resources
from trainables.config import TrialConfig

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and how much there is."""
Prepare = Callable[[Sequence[TrialConfig], Path, Progress], None]


def prepare_remote(
    configs: Sequence[TrialConfig],
    cache: Path,
    progress: Progress,
    *,
    address: str,
    resources: Resources,
    prepare: Prepare | None = None,
) -> None:
    """Run `trainables.prepare.prepare` as one task on the cluster; `cache` must be a path that its nodes share.

    `progress` is called here. `prepare`: in place of the real one; picklable. Raises what it raises, and ClusterError
    if the task is lost.
    """
    task = ray.remote(num_cpus=resources.cpus_per_worker, num_returns="streaming", **_place(resources))(_events)
    with connect(address):
        try:
            for event in task.remote(prepare, list(configs), cache):
                progress(*ray.get(event))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise ClusterError(f"preparing the data on the cluster failed ({meaning_of(error)}): {error}") from error


def _place(resources: Resources) -> dict[str, Any]:
    return {"num_gpus": resources.gpus_per_worker} if resources.gpus_per_worker else {"resources": HEAD_SHARE}


def _events(prepare: Prepare | None, configs: list[TrialConfig], cache: Path) -> Iterator[tuple[str, int, int]]:
    """Prepare in a thread, and yield the latest progress as often as somebody takes it."""
    run = prepare or _prepare()
    events: queue.Queue[tuple[str, int, int] | BaseException | None] = queue.Queue()

    def work() -> None:
        try:
            run(configs, cache, lambda *event: events.put(event))
        except BaseException as error:  # raised where the driver can see it
            events.put(error)
        else:
            events.put(None)

    threading.Thread(target=work, daemon=True).start()
    while (event := events.get()) is not None:
        if isinstance(event, BaseException):
            raise event
        yield event


def _prepare() -> Prepare:
    from trainables.prepare import prepare

    return prepare
