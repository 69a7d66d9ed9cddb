"""Trials that meet with accidents. Imported by Ray's workers and by drivers in processes of their own."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from ablative.orchestrator.storing.records import Record
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from tests.contract.executor_contract import Ledger
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

STUDY = make_study(
    arms={"listed": {"plain": {}, "wet": {"student.dropout": 0.2}}},
    conditions={},
    search={"trials": 4, "batch": 2, "sampler": "tpe", "space": {"optim.lr": {"loguniform": [1e-5, 1e-2]}}},
)
NUM_TRIALS = 14
"""Two cells, each with four search trials and three confirm trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accidents:
    """Runs `simulated`, and ends the process of the arm with dropout for some confirm seeds."""

    simulated: SimulatedTrainable
    """It leaves a mark for every execution, so that the first can be told from the second."""
    killed_once: int = -1
    killed_always: int = -1

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial; the process that ran it is the outcome's device."""
        if job.config.student.dropout == 0.2 and job.seed in (self.killed_once, self.killed_always):
            first = not (Path(self.simulated.ledger) / job.trial_id).exists()
            if first or job.seed == self.killed_always:
                with (Path(self.simulated.ledger) / job.trial_id).open("a") as marks:
                    marks.write("x")
                os.kill(os.getpid(), signal.SIGKILL)
        return replace(self.simulated(job, link), device=str(os.getpid()))


def only(ledger: Ledger, arm: str, seed: int) -> Record:
    """Return the one confirm record of `arm` with `seed`."""
    (record,) = [r for r in ledger.records if (r.arm, r.phase, r.seed) == (arm, "confirm", seed)]
    return record


def metrics(records: list[Record]) -> dict[str, dict[str, float]]:
    """Return trial id -> metrics of the completed trials."""
    return {record.trial_id: record.metrics for record in records if record.completed}


def undisturbed() -> dict[str, dict[str, float]]:
    """Return the metrics of all trials when they run here, one after another."""
    return metrics(run_all(make_queue(STUDY)))
