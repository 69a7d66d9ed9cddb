"""A driver whose Ray ends what takes too much memory: `python -m tests.integration.hungry STORE`."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.study import Resources
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.integration.restless import plain_study

STUDY = plain_study(3)
HUNGRY = 2
"""Seed whose trial takes all that there is."""
ROOM_MB = 3_500
"""What Ray and its workers may take, beside what this machine has in use already; they need about half of it."""
MOST_MB = 2 * ROOM_MB
"""Where the hungry trial stops, should nobody stop it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hungry:
    """Runs the simulated trainable, and for one seed takes memory until it is ended."""

    simulated: SimulatedTrainable

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        taken: list[bytes] = []
        while job.seed == HUNGRY and len(taken) < MOST_MB // 50:
            taken.append(b"x" * (50 << 20))
            time.sleep(0.05)
        return self.simulated(job, link)


def main(store: str) -> None:
    """Run the study."""
    total, available = (_memory_mb(name) for name in ("MemTotal", "MemAvailable"))
    os.environ["RAY_memory_usage_threshold"] = str((total - available + ROOM_MB) / total)
    os.environ["RAY_memory_monitor_refresh_ms"] = "100"
    from ablative.cluster.executor import RayExecutor

    resources = Resources(max_concurrent=1, retry_out_of_memory=True)
    run_trial = Hungry(simulated=SimulatedTrainable(ledger=store))
    executor = RayExecutor(address="local", resources=resources, cache=Path(store), run_trial=run_trial)
    run_study(make_experiment(STUDY), Store.open(store), executor, QuietDisplay())


def _memory_mb(name: str) -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main(sys.argv[1])
