"""A driver of a Ray run in a process of its own: `python -m tests.integration.drive STORE MARKS`."""

from __future__ import annotations

import sys
from pathlib import Path

from ablative.cluster.executor import RayExecutor
from ablative.orchestrator.commands.signals import stoppable
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.study import Resources
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.integration.accidents import STUDY
from tests.integration.accidents import Accidents

SECONDS = 1.5
"""How long a trial takes: long enough to be killed in the middle of one."""


def main(store: str, marks: str) -> int:
    """Run what the store does not hold yet."""
    run_trial = Accidents(simulated=SimulatedTrainable(ledger=marks, seconds=SECONDS))
    executor = RayExecutor(
        address="local", resources=Resources(max_concurrent=2), cache=Path(marks), run_trial=run_trial
    )
    with stoppable() as stop:
        try:
            run_study(make_experiment(STUDY), Store.open(store), executor, QuietDisplay())
        except KeyboardInterrupt:
            return stop.status
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
