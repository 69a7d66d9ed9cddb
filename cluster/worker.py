"""The loop of every worker in a warm group: trial after trial, all ranks in step."""

from __future__ import annotations

import gc
import itertools
import os
import time
from dataclasses import replace
from typing import Any

import ray
import ray.train
from ray.util import get_current_placement_group

from ablative.cluster.orphans import end_without_parent
from ablative.cluster.same_cache import fetch_cache
from ablative.cluster.same_cache import require_cache
from ablative.cluster.same_cache import require_data
from ablative.cluster.session import enter
from ablative.cluster.tickets import Later
from ablative.orchestrator.storing.checkpoints import StoredLink
from ablative.trainables.boundary import attempt
from ablative.trainables.errors import Hindered
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialJob
from ablative.trainables.processes import resident_mb
from ablative.trainables.published import Listed

LOOKED_EVERY_S = 2.0
"""How often a trial checks whether its machine is being drained."""


def serve(settings: dict[str, Any]) -> None:
    """Take trials from the board until there are no more; every rank of a group does so in step."""
    end_without_parent()
    enter(settings["folder"])
    cache, local = settings.get("cache"), ""
    if isinstance(cache, Listed):
        local = fetch_cache(cache)
    elif cache is not None:
        require_cache(*cache)
    run_trial = settings["run_trial"]
    board, slot = settings["board"], settings["slot"]
    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    token = get_current_placement_group().id.hex()  # the same for all ranks, different for every group
    seat = {
        "size": size,
        "rank": rank,
        "pid": os.getpid(),
        "node": ray.get_runtime_context().get_node_id(),
        "worker": ray.get_runtime_context().current_actor,
    }
    ray.get(board.join.remote(slot, token, **seat))

    for index in itertools.count():
        while isinstance(job := ray.get(board.take.remote(slot, token, index)), Later):
            job.wait()
        if job is None:
            return
        if local:
            job = replace(job, cache=local)
        if cache is not None:
            require_data(settings.get("absent"), job)
        if rank == 0:
            board.running.options(name=job.title).remote(job.trial_id)  # by this name Ray's dashboard shows the trial
        try:
            outcome = attempt(run_trial, job, BoardLink(board, slot, job, token), is_first=rank == 0)
        except Hindered as error:  # no trial's failure: the driver ends the run
            ray.get(board.complain.remote(str(error)))
            return
        gc.collect()  # a trial leaves nothing in memory for the next one
        ray.get(board.settle.remote(slot, token, rank, outcome, resident_mb()))
        del job, outcome
        if index == 0:
            gc.freeze()  # modules stay; looking through them after each trial would take a tenth of a second


class BoardLink(StoredLink):
    """The link of a trial that runs in a worker group: its curve goes to the board."""

    def __init__(self, board: Any, slot: int, job: TrialJob, token: str) -> None:
        """`token`: of the group in the slot."""
        super().__init__(job)
        self._board = board
        self._slot = slot
        self._token = token
        self._leaving = False
        self._looked_at = float("-inf")
        self._told_at = float("-inf")

    def report(self, point: CurvePoint) -> None:
        """Send the point; nothing waits for it."""
        self._board.report.remote(self._trial_id, point)

    def reached(self, share: float) -> None:
        """Report to the board now and then; nothing waits for it."""
        if time.monotonic() - self._told_at > LOOKED_EVERY_S:
            self._board.reached.remote(self._trial_id, share)
            self._told_at = time.monotonic()

    def stop_requested(self) -> bool:
        """Ask the board; for it, a trial no longer belongs to a group that was cut off."""
        return bool(ray.get(self._board.is_cancelled.remote(self._trial_id, self._token)))

    def leaving(self) -> bool:
        """Ask the board now and then: a trial asks every few steps."""
        if time.monotonic() - self._looked_at > LOOKED_EVERY_S:
            self._leaving = bool(ray.get(self._board.is_drained.remote(self._slot)))
            self._looked_at = time.monotonic()
        return self._leaving
