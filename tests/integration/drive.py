"""A driver that can be killed: `python -m tests.integration.drive STORE EXECUTIONS`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from cluster.executor import RayExecutor
from orchestrator.records import Record
from orchestrator.store import Store
from orchestrator.trials import Trial
from search_spaces.study import Resources
from tests.integration.simulated_study import STUDY
from tests.integration.simulated_study import Accidents
from tests.integration.simulated_study import open_ledger
from trainables.job import TrialOutcome

SECONDS = 0.5
"""How long a trial takes: long enough to be killed in the middle of one."""


def main(store_uri: str, executions: str) -> int:
    """Run what the store does not hold yet; 130 after Ctrl-C."""
    store = Store.open(store_uri)
    ledger = open_ledger(earlier=store.records(STUDY.study))

    def finish(trial: Trial, outcome: TrialOutcome, started_at: datetime, attempts: int) -> Record:
        record = ledger.finish(trial, outcome, started_at, attempts)
        store.write(record, outcome.curve, outcome.predictions)
        return record

    run_trial = Accidents(folder=executions, seconds=SECONDS)
    resources = Resources(max_concurrent=2)
    try:
        RayExecutor(address="local", resources=resources, cache=Path("/nowhere"), run_trial=run_trial).run(
            ledger.queue, finish
        )
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
