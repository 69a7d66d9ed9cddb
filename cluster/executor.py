"""The executor on Ray: Tune drives, Train trains, on this machine or on a cluster."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import ray

from cluster.groups import WorkerGroups
from cluster.groups import num_slots
from cluster.groups import per_worker
from cluster.session import connect
from cluster.tune_adapter import QueueSearcher
from cluster.tune_adapter import run_tune
from orchestrator.errors import ClusterError
from orchestrator.executor import Finish
from orchestrator.queue import TrialQueue
from orchestrator.trials import Trial
from search_spaces.study import Resources
from trainables.job import RunTrial
from trainables.job import TrialJob


class RayExecutor:
    """Runs trials in warm worker groups; an `orchestrator.executor.Executor`."""

    def __init__(
        self,
        *,
        address: str,
        resources: Resources,
        cache: Path,
        checkpoints: str = "",
        run_trial: RunTrial | None = None,
    ) -> None:
        """`address`: see `cluster.session.connect`; `run_trial`: picklable, for `trainables.trial.run_trial`.

        `checkpoints`: folder or URI that every node reaches; none are kept without it.
        """
        self._address = address
        self._resources = resources
        self._cache = cache
        self._checkpoints = checkpoints
        self._run_trial = run_trial

    def run(self, queue: TrialQueue, finish: Finish) -> None:
        """Run the queue's trials, as many at once as the cluster holds.

        Raises ClusterError if there is no cluster, or none that holds one trial, and KeyboardInterrupt after
        everything was shut down.
        """
        if queue.done:
            return
        with ExitStack() as stack:
            private = stack.enter_context(connect(self._address))
            folder = tempfile.TemporaryDirectory(prefix="ablate-", ignore_cleanup_errors=True)
            scratch = stack.enter_context(folder)
            slots = min(capacity(self._resources, ray.cluster_resources()), max(1, queue.owed()))
            groups = stack.enter_context(
                WorkerGroups(
                    slots=slots,
                    resources=self._resources,
                    scratch=scratch,
                    private=private,
                    keep_points=queue.observes,
                    run_trial=self._run_trial,
                )
            )
            searcher = QueueSearcher(
                queue=queue,
                finish=finish,
                groups=groups,
                job=self._job,
            )
            try:
                run_tune(searcher, groups, scratch)
            except ray.exceptions.RayError as error:
                raise ClusterError(f"the cluster was lost: {error}. Remedy: the same command goes on") from error
            if not private:
                groups.send_home(patience_s=20.0)

    def _job(self, trial: Trial) -> TrialJob:
        return trial.job(
            cache=str(self._cache),
            threads=self._resources.cpus_per_worker,
            checkpoints=self._checkpoints,
            time_limit_s=self._resources.time_limit_s,
        )


def capacity(resources: Resources, available: dict[str, float]) -> int:
    """Return how many trials fit at once into a cluster with `available` (Ray's names of resources).

    Raises ClusterError if not even one does.
    """
    slots = num_slots(resources, available)
    if slots < 1:
        needed = {name: resources.workers * amount for name, amount in per_worker(resources).items()}
        asked = ", ".join(f"{amount:g} {name}" for name, amount in needed.items())
        found = ", ".join(f"{available.get(name, 0.0):g} {name}" for name in needed)
        raise ClusterError(
            f"a trial of this study needs {asked} (resources: {resources.workers} workers); the cluster has {found}. "
            "Remedy: ask for less under `resources`, or join a larger cluster with `--address`"
        )
    return slots
