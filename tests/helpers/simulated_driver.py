"""A driver in a process of its own, to be killed: `python -m tests.helpers.simulated_driver STORE LEDGER SECONDS`."""

from __future__ import annotations

import sys
from pathlib import Path

from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.store import Store
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_study

STUDY = make_study(seeds={"search": [0], "confirm": [1, 2]})
NUM_TRIALS = 36


def main(store: str, ledger: str, seconds: str) -> None:
    """Run the study in this process, each trial taking `seconds`."""
    run_trial = SimulatedTrainable(ledger=ledger, seconds=float(seconds))
    executor = InlineExecutor(run_trial=run_trial, resources=STUDY.resources, cache=Path(ledger))
    run_study(make_experiment(STUDY), Store.open(store), executor, QuietDisplay())


if __name__ == "__main__":
    main(*sys.argv[1:])
