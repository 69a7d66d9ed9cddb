"""One Ray Train run of a slot, with as few processes as it can do with: its workers, and nothing else.

Ray Train would start five more for each slot: the controller, and four actors that serve what no trial here uses (data
sets of Ray Data, barriers of `ray.train.report`, a cleaner for controllers that are killed, a watcher of notices).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

from ray.train import BackendConfig
from ray.train import FailureConfig
from ray.train import RunConfig
from ray.train import ScalingConfig
from ray.train import UserCallback
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

from ablative.cluster.capacity import Shape
from ablative.cluster.failures import said
from ablative.cluster.failures import worst
from ablative.cluster.worker import serve

Reserve = Callable[[Any], None]
RESTARTS = 2
"""Restarts of a group's workers by one Ray Train run; after that the slot starts a new run."""


def train(settings: dict[str, Any], shape: Shape, scratch: str, reserve: Reserve) -> None:
    """Run one group until the board sends it home. Raises what Ray Train raises.

    `reserve`: told of each placement group that is asked for. Ray Train removes them itself, unless this process ends.
    """
    _without_barriers()
    HostedTrainer(
        _group_of("{study} slot {slot}".format_map(settings), reserve),
        serve,
        train_loop_config=settings,
        backend_config=meeting(shape),
        scaling_config=scaling(shape),
        run_config=RunConfig(
            # A name that was used before would be resumed.
            name=f"{settings['study']}-slot-{settings['slot']}-{uuid.uuid4().hex[:8]}",
            storage_path=scratch,
            failure_config=FailureConfig(max_failures=RESTARTS, controller_failure_limit=RESTARTS),
            callbacks=[LossTeller(settings["board"], settings["slot"])],
        ),
    ).fit()


class HostedTrainer(DataParallelTrainer):
    """A trainer whose controller is a thread of this process, the one that calls `fit`."""

    def __init__(self, group: type[WorkerGroup], *arguments: Any, **options: Any) -> None:
        """`group`: the kind of worker group to start; the rest is Ray Train's."""
        super().__init__(*arguments, **options)
        self._group = group

    def _create_default_callbacks(self) -> list[Any]:
        unused = (PlacementGroupCleanerCallback, DatasetsCallback)
        return [one for one in super()._create_default_callbacks() if not isinstance(one, unused)]

    def _initialize_and_run_controller(self, **controller: Any) -> Result:
        hosted = TrainController(**controller)
        hosted.worker_group_cls = self._group
        asyncio.run(hosted.run())
        return hosted.get_result()


def _group_of(title: str, reserve: Reserve) -> type[WorkerGroup]:
    """Return the kind of group whose workers Ray's dashboard shows as `title`."""

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
    """Stands in for the actor at whose barrier `ray.train.report` waits; no trial reports there."""

    @classmethod
    def options(cls, **_: Any) -> type[NoBarrier]:
        """As Ray's actor classes do."""
        return cls

    @classmethod
    def remote(cls, **_: Any) -> NoBarrier:
        """As Ray's actor classes do."""
        return cls()


def _without_barriers() -> None:
    """Let worker groups of this process have no barrier; Ray Train has no setting for it."""
    worker_group.SynchronizationActor = NoBarrier
    state._shutdown_sync_actor = lambda barrier: None


def meeting(shape: Shape) -> BackendConfig:
    """Return how the workers of one group meet. One alone meets nobody: Ray's own processes then import no torch."""
    if shape.workers == 1:
        return BackendConfig()
    from ablative.cluster.interfaces import MeetingConfig  # imports torch

    return MeetingConfig()


class LossTeller(UserCallback):
    """Tells the board, from Ray Train's controller, that a slot's workers are gone."""

    def __init__(self, board: Any, slot: int) -> None:
        self._board = board
        self._slot = slot

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Called by Ray Train before it restarts or gives up the workers."""
        cause, error = worst(worker_exceptions)
        self._board.lose.remote(self._slot, cause, said(error))


def scaling(shape: Shape) -> ScalingConfig:
    """Return what Ray Train is to reserve for one group."""
    each = dict(shape.each)
    return ScalingConfig(num_workers=shape.workers, use_gpu="GPU" in each, resources_per_worker=each)
