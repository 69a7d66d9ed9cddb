"""Simulated searches decided by luck, so that the searches of a cell or an arm find different settings."""

from __future__ import annotations

import random

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.trials import Trial
from tests.helpers.simulated import run_one

AT_ONCE = 5


def run_lucky(trial: Trial) -> Record:
    """Run a trial whose target is luck, its own in each arm."""
    record = run_one(trial)
    luck = random.Random(f"{trial.arm} {trial.id}").random()
    return record.model_copy(update={"metrics": {**record.metrics, "val/accuracy": luck}})


def run_in_any_order(queue: TrialQueue, order: int = 0, most: int = 10_000) -> list[Record]:
    """Run at most so many trials of a queue, several at once, which end in an order of chance."""
    rng = random.Random(order)
    records: list[Record] = []
    running: list[Trial] = []
    while len(records) < most:
        while len(running) < AT_ONCE and (trial := queue.next()) is not None:
            running.append(trial)
        if not running:
            break
        records.append(run_lucky(running.pop(rng.randrange(len(running)))))
        queue.record(records[-1])
    return records
