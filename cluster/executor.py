"""The executor on Ray: Tune drives, Train trains, on this machine or on a cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ray

from ablative.cluster.capacity import Shape
from ablative.cluster.capacity import require
from ablative.cluster.capacity import shape_of
from ablative.cluster.failures import meaning_of
from ablative.cluster.failures import said
from ablative.cluster.failures import tries_again
from ablative.cluster.groups import WorkerGroups
from ablative.cluster.machine_facts import require_shared
from ablative.cluster.metrics import StudyMetrics
from ablative.cluster.same_cache import cache_identity
from ablative.cluster.session import connect
from ablative.cluster.session import machines
from ablative.cluster.session import members
from ablative.cluster.tune_adapter import QueueSearcher
from ablative.cluster.tune_adapter import run_tune
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.driving.executor import Finish
from ablative.orchestrator.driving.handout import Handout
from ablative.orchestrator.errors import ClusterError
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.study import Resources
from ablative.trainables.job import RunTrial
from ablative.trainables.job import TrialJob
from ablative.trainables.published import Listed
from ablative.trainables.published import PublishedCache

ASKED_FOR_S = 30.0
"""Longest wait for other machines to say whether they share a place; processes start slowly on busy machines."""


class RayExecutor:
    """Runs trials in warm worker groups; an `orchestrator.driving.executor.Executor`."""

    def __init__(
        self,
        *,
        address: str,
        resources: Resources,
        cache: Path,
        run_trial: RunTrial,
        checkpoints: str = "",
        published: PublishedCache | None = None,
        absent: Callable[[Sequence[Any]], Sequence[str]] | None = None,
    ) -> None:
        """`address`: see `cluster.session.connect`; `run_trial`: of a trainable, picklable.

        `cache`: the driver's; other machines need the same folder, or their own copies of the `published` files.
        `absent`: gives a line for each file of configurations that is missing on the machine where it is called.
        `checkpoints`: folder or URI that every node reaches; without it none are kept.
        """
        self._address = address
        self._resources = resources
        self._cache = cache
        self._checkpoints = checkpoints
        self._run_trial = run_trial
        self._published = published
        self._absent = absent
        self._private: bool | None = None
        """Whether the cluster that is open is private; None where none is."""
        self._groups: WorkerGroups | None = None

    def waits_for(self) -> str:
        """Return which worker groups wait for free resources on the cluster."""
        return self._groups.waits_for if self._groups is not None else ""

    def reached(self) -> Mapping[str, float]:
        """Return the progress of running trials, as of a second ago."""
        return self._groups.shares if self._groups is not None else {}

    @contextmanager
    def open(self, queue: TrialQueue) -> Iterator[None]:
        """Connect to the cluster, if anything is to run. Raises ClusterError if no cluster can hold the trials, or if
        its machines share no cache or no place for checkpoints."""
        if queue.done:
            yield
            return
        with connect(self._address) as private:
            require(self._shapes(queue), *machines())
            if not private and len(members()) > 1:
                require_shared(self._places(), within_s=ASKED_FOR_S)
            self._private = private
            try:
                yield
            finally:
                self._private = None

    def run(self, queue: TrialQueue, finish: Finish) -> float:
        """Run the queue's trials, as many at once as the cluster holds; return the device seconds that groups held.

        Raises ClusterError if there is no cluster, or none that holds one trial, and KeyboardInterrupt after
        everything was shut down.
        """
        if queue.done:
            return 0.0
        with ExitStack() as stack:
            if self._private is None:
                stack.enter_context(self.open(queue))
            folder = tempfile.TemporaryDirectory(prefix="ablate-", ignore_cleanup_errors=True)
            scratch = stack.enter_context(folder)
            groups = stack.enter_context(
                WorkerGroups(
                    shapes=self._shapes(queue),
                    resources=self._resources,
                    owed=queue.owed,
                    study=queue.study.study,
                    scratch=scratch,
                    private=bool(self._private),
                    keep_points=queue.observes,
                    cache=None if self._private or not self._reads_cache else self._whose_cache(),
                    absent=self._absent,
                    run_trial=self._run_trial,
                )
            )
            self._groups = groups
            stack.callback(self._let_go)
            again = partial(tries_again, out_of_memory=self._resources.retry_out_of_memory)
            searcher = QueueSearcher(
                Handout(queue, finish, tries_again=again), groups, self._order, StudyMetrics(queue)
            )
            try:
                run_tune(searcher, groups, scratch)
                held = groups.held()
            except ray.exceptions.RayError as error:
                raise ClusterError(_lost(error)) from error
            if not self._private:
                groups.send_home(patience_s=20.0)
            return held

    def _places(self) -> dict[str, str]:
        """Return the places that all machines must share: purpose -> path or URI."""
        cache = self._published.uri if self._published else str(self._cache)
        places = {"cache": cache if self._reads_cache else "", "store": self._checkpoints}
        return {purpose: place for purpose, place in places.items() if place}

    def _whose_cache(self) -> tuple[Path, str] | Listed:
        if self._published is None:
            return self._cache, cache_identity(self._cache)
        assert self._published.listed is not None, "what was prepared is listed before trials run"
        return self._published.listed

    @property
    def _reads_cache(self) -> bool:
        return self._cache != Path()

    def _let_go(self) -> None:
        self._groups = None

    def _shapes(self, queue: TrialQueue) -> list[Shape]:
        """Return the shapes of trials that may still run, each once."""
        cells = [cell for cell in queue.cells if cell.state != "done"] or queue.cells
        return shapes_of(self._resources, [(cell.config, dict(cell.cell.space)) for cell in cells])

    def _order(self, trial: Trial) -> tuple[TrialJob, Shape]:
        job = trial.job(cache=str(self._cache), resources=self._resources, checkpoints=self._checkpoints)
        return job, shape_of(self._resources.of(trial.config))


def shapes_of(resources: Resources, cells: Sequence[tuple[Any, dict[str, Any]]]) -> list[Shape]:
    """Return the shapes that trials of cells may have, each once. A cell: configuration and searched parameters."""
    possible = (resources.possible(config, space) for config, space in cells)
    return list(dict.fromkeys(shape_of(one) for found in possible for one in found))


def _lost(error: Exception) -> str:
    remedy = "run the same command again to continue"
    if meaning_of(error) == "out_of_memory":
        remedy += ", best with more memory free or fewer trials at once (resources.max_concurrent)"
    return f"the cluster was lost: {said(error)}. Remedy: {remedy}"
