"""One Ray Train run of a slot."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import ray
from ray.train import BackendConfig
from ray.train import FailureConfig
from ray.train import RunConfig
from ray.train import ScalingConfig
from ray.train import UserCallback
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from ablative.cluster.capacity import Shape
from ablative.cluster.failures import said
from ablative.cluster.failures import worst
from ablative.cluster.worker import serve

Reserve = Callable[[Any], None]
HOSTED = ("2.60",)
"""Versions of Ray whose controllers can run as threads of this process."""
RESTARTS = 2
"""Most restarts of a group's workers by one Ray Train run; after that the slot starts a new run. A group
that could have fewer workers gets none, as Ray Train restarts as many workers as it lost."""


def train(settings: dict[str, Any], shape: Shape, scratch: str, reserve: Reserve) -> None:
    """Run one group until the board ends it. Raises Ray Train's errors.

    `reserve`: called with each requested placement group. Ray Train removes them itself, unless this process ends.
    """
    restarts = 0 if shape.fewer else RESTARTS
    trainer = trainer_for(ray.__version__, "{study} slot {slot}".format_map(settings), reserve)
    trainer(
        serve,
        train_loop_config=settings,
        backend_config=meeting(shape),
        scaling_config=scaling(shape),
        run_config=RunConfig(
            # Ray Train would resume a run of the same name.
            name=f"{settings['study']}-slot-{settings['slot']}-{uuid.uuid4().hex[:8]}",
            storage_path=scratch,
            failure_config=FailureConfig(max_failures=restarts, controller_failure_limit=restarts),
            callbacks=[LossTeller(settings["board"], settings["slot"])],
        ),
    ).fit()


def trainer_for(version: str, title: str, reserve: Reserve) -> Callable[..., DataParallelTrainer]:
    """Return what makes the trainer under this version of Ray: one that starts only workers, or Ray Train's own.

    With its own, a slot costs five more processes, and `reserve` is never called: Ray's cleaner does that work.
    """
    if version.rpartition(".")[0] not in HOSTED:
        return DataParallelTrainer
    from ablative.cluster.hosted_trainer import HostedTrainer

    return partial(HostedTrainer, title, reserve)


def meeting(shape: Shape) -> BackendConfig:
    """Return how the workers of one group meet. With one worker, Ray's own processes import no torch."""
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
    """Return the resources that Ray Train reserves for one group."""
    each = dict(shape.each)
    return ScalingConfig(num_workers=shape.workers, use_gpu="GPU" in each, resources_per_worker=each)
