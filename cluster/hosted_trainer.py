"""A trainer of Ray Train that starts the workers and no other process.

Ray Train starts five more for each run: the controller, and four actors that no trial here needs (data sets of Ray
Data, barriers of `ray.train.report`, a cleaner for killed controllers, a watcher of notices). It has no setting
against this, so this module replaces private pieces of Ray 2.60 (`train_run.HOSTED`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.worker_group import WorkerGroup
from ray.train.v2._internal.execution.worker_group import state
from ray.train.v2._internal.execution.worker_group import worker
from ray.train.v2._internal.execution.worker_group import worker_group
from ray.train.v2._internal.execution.worker_group.placement_group_handle import PlacementGroupHandle
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.train.v2.api.result import Result


class HostedTrainer(DataParallelTrainer):
    """A trainer whose controller is a thread of this process, the one that calls `fit`."""

    def __init__(self, title: str, reserve: Callable[[Any], None], *arguments: Any, **options: Any) -> None:
        """`title`: the workers' name on Ray's dashboard. `reserve`: called with each requested placement group.

        The rest is Ray Train's.
        """
        super().__init__(*arguments, **options)
        self._group = _group_of(title, reserve)

    def _create_default_callbacks(self) -> list[Any]:
        unused = (PlacementGroupCleanerCallback, DatasetsCallback)
        return [one for one in super()._create_default_callbacks() if not isinstance(one, unused)]

    def _initialize_and_run_controller(self, **controller: Any) -> Result:
        _without_barriers()
        hosted = TrainController(**controller)
        hosted.worker_group_cls = self._group
        asyncio.run(hosted.run())
        return hosted.get_result()


def _group_of(title: str, reserve: Callable[[Any], None]) -> type[WorkerGroup]:
    """Return the group class whose workers Ray's dashboard shows as `title`."""

    class RayTrainWorker(worker.RayTrainWorker):
        def __repr__(self) -> str:
            return title

    class SlotGroup(WorkerGroup):
        _worker_cls = RayTrainWorker

        def _create_placement_group(self, *arguments: Any) -> PlacementGroupHandle:
            made = super()._create_placement_group(*arguments)
            reserve(made.placement_group)
            return made

    return SlotGroup


class NoBarrier:
    """Replaces the actor with the barrier of `ray.train.report`; no trial reports there."""

    @classmethod
    def options(cls, **_: Any) -> type[NoBarrier]:
        """As Ray's actor classes do."""
        return cls

    @classmethod
    def remote(cls, **_: Any) -> NoBarrier:
        """As Ray's actor classes do."""
        return cls()


def _without_barriers() -> None:
    """Start worker groups of this process without a barrier; Ray Train has no setting for it."""
    worker_group.SynchronizationActor = NoBarrier
    state._shutdown_sync_actor = lambda barrier: None
