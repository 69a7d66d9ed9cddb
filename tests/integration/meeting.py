"""Trials that wait for company, and a driver of them: `python -m tests.integration.meeting ADDRESS MARKS`."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from tests.contract.executor_contract import Ledger
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study

STUDY = make_study(
    arms={"listed": {"plain": {}}}, conditions={}, search={}, seeds={"search": [0], "confirm": [1, 2, 3, 4, 5, 6]}
)
PATIENCE_S = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """A trial that ends once two have run at the same time, which leaves the mark `met`."""

    marks: str
    """Folder with `TRIAL.started` and `TRIAL.ended` of every trial, and `met`."""

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        marks, until = Path(self.marks), time.monotonic() + PATIENCE_S
        (marks / f"{job.trial_id}.started").touch()
        while not (marks / "met").exists():
            if len(running(marks)) > 1:
                (marks / "met").touch()
            if time.monotonic() > until:
                raise TimeoutError("nobody came")
            time.sleep(0.05)
        outcome = replace(SimulatedTrainable()(job, link), device=str(os.getpid()))
        (marks / f"{job.trial_id}.ended").touch()
        return outcome


def running(marks: Path) -> set[str]:
    """Return the trials that have started and not ended."""
    return {mark.stem for mark in marks.glob("*.started")} - {mark.stem for mark in marks.glob("*.ended")}


def main(address: str, marks: str) -> int:
    """Run the study; the exit status tells whether all trials were completed."""
    from ablative.cluster.executor import RayExecutor

    ledger = Ledger(queue=make_queue(STUDY))
    executor = RayExecutor(
        address=address, resources=STUDY.resources, cache=Path(marks), run_trial=Meeting(marks=marks)
    )
    executor.run(ledger.queue, ledger.finish)
    return int(not all(record.completed for record in ledger.records))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
