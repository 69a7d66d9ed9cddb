"""A small study and what Ray's workers run for it: known results at once, and accidents on demand.

Imported by workers too, so that it must be importable by name there.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from pathlib import Path

from orchestrator.inputs import Inputs
from orchestrator.queue import TrialQueue
from orchestrator.records import Provenance
from orchestrator.records import Record
from orchestrator.records import make_record
from orchestrator.trials import Trial
from search_spaces.design import cells
from search_spaces.study import Study
from trainables.config import TrialConfig
from trainables.config import canonical
from trainables.job import CurvePoint
from trainables.job import Report
from trainables.job import TrialJob
from trainables.job import TrialOutcome

STUDY = Study.model_validate(
    {
        "study": "simulated",
        "question": "Does the executor lose anything?",
        "base": {},
        "arms": {"listed": {"plain": {}, "wet": {"student.dropout": 0.2}}},
        "search": {"trials": 4, "batch": 2, "sampler": "tpe", "space": {"optim.lr": {"loguniform": [1e-5, 1e-2]}}},
        "seeds": {"search": [0], "confirm": [1, 2, 3]},
        "evaluate": ["val", "test"],
    }
)
NUM_TRIALS = 14
"""Two cells, each with four search trials and three confirm trials."""


def value_of(config: TrialConfig, seed: int) -> float:
    """Return the accuracy that a simulated trial reaches: the same in every process."""
    digest = hashlib.sha256(f"{config.model_dump_json()} {seed}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def simulate(job: TrialJob, report: Report) -> TrialOutcome:
    """Take no time; leave the process id as a metric."""
    value = value_of(job.config, job.seed)
    report(CurvePoint(step=1, split="val", metric="accuracy", value=value, seconds=0.0))
    metrics = {"val/accuracy": value, "test/accuracy": value / 2, "process": float(os.getpid())}
    return TrialOutcome(status="completed", metrics=metrics, seconds=0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accidents:
    """Confirm trials of the arm with dropout, by seed: killed once, killed always, raising, slow."""

    folder: str
    """Where those that happen once leave their mark, and every trial its executions."""
    killed_once: int = -1
    killed_always: int = -1
    raises: int = -1
    seconds: float = 0.0

    def __call__(self, job: TrialJob, report: Report) -> TrialOutcome:
        """Run `simulate`, unless the trial is to meet its accident."""
        with open(Path(self.folder) / job.trial_id, "a") as executions:
            executions.write("x")
        time.sleep(self.seconds)
        if job.config.student.dropout == 0.2:
            if job.seed == self.raises:
                raise RuntimeError("this trial raises")
            if job.seed == self.killed_always or (job.seed == self.killed_once and executed(self.folder, job) == 1):
                os.kill(os.getpid(), signal.SIGKILL)
        return simulate(job, report)


def executed(folder: str, job: TrialJob) -> int:
    """Return how many times a trial was started."""
    return (Path(folder) / job.trial_id).stat().st_size


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The driver's side of a run: the queue, and the records in order of arrival."""

    queue: TrialQueue
    records: list[Record] = field(default_factory=list)

    def finish(self, trial: Trial, outcome: TrialOutcome, started_at: datetime, attempts: int) -> Record:
        """Record one outcome and tell the queue."""
        record = make_record(
            trial,
            outcome,
            provenance=Provenance(),
            started_at=started_at,
            finished_at=datetime.now(UTC),
            attempts=attempts,
        )
        self.records.append(record)
        self.queue.record(record)
        return record

    def only(self, arm: str, seed: int) -> Record:
        """Return the one confirm record of `arm` with `seed`."""
        (record,) = [r for r in self.records if (r.arm, r.phase, r.seed) == (arm, "confirm", seed)]
        return record


def open_ledger(study: Study = STUDY, earlier: Iterable[Record] = ()) -> Ledger:
    """Return a ledger with nothing run but `earlier`."""
    inputs = Inputs(splits=lambda config: ("train", "val", "test"), digests=lambda config: ("data", "teacher"))
    return Ledger(queue=TrialQueue(study, cells(study, TrialConfig, canonical), earlier, inputs))


def values(records: Iterable[Record]) -> dict[str, float]:
    """Return trial id -> accuracy of the completed trials."""
    return {r.trial_id: r.metrics["val/accuracy"] for r in records if r.completed}


def run_here(ledger: Ledger, trainable: Callable[[TrialJob, Report], TrialOutcome] = simulate) -> None:
    """Run everything in this process, one trial after another: what an executor must not differ from."""
    while (trial := ledger.queue.next()) is not None:
        outcome = trainable(trial.job(cache="/nowhere"), lambda point: None)
        ledger.finish(trial, outcome, datetime.now(UTC), 1)
