from __future__ import annotations

from datetime import timedelta

import pytest

from ablative.orchestrator.simulating.fake_clock import START
from ablative.orchestrator.simulating.fake_clock import ClockExecutor
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.storing.records import Provenance
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import make_record
from ablative.orchestrator.trials import Trial
from ablative.trainables.job import TrialOutcome
from ablative.trainables.simulated import SimulatedTrainable
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study

PLAIN = make_study(
    arms={"listed": {"plain": {}}},
    conditions={"task.data_fraction": [0.2, 1.0]},
    search={},
    seeds={"search": [0], "confirm": [1, 2, 3]},
)
"""Three trials of 4 s, then three of 10 s, all ready at once."""
SECONDS = 10.0


def _run(slots: int, study: object = PLAIN) -> tuple[ClockExecutor, list[Record]]:
    queue = make_queue(study)  # type: ignore[arg-type]
    clock = ClockExecutor(run_trial=SimulatedTrainable(seconds=SECONDS), slots=slots, resources=queue.study.resources)
    records: list[Record] = []

    def finish(trial: Trial, outcome: TrialOutcome, execution: Execution) -> None:
        made = make_record(trial, outcome, execution, provenance=Provenance(), finished_at=clock.now())
        records.append(made)
        queue.record(made)

    clock.run(queue, finish)
    assert queue.done
    assert all(record.completed for record in records)
    return clock, records


@pytest.mark.parametrize(("slots", "makespan"), [(1, 42.0), (2, 24.0), (3, 14.0), (6, 10.0), (7, 10.0)])
def test_trials_follow_each_other_on_the_slots(slots: int, makespan: float) -> None:
    clock, records = _run(slots)

    assert clock.now_s == pytest.approx(makespan)
    assert clock.busy_s == pytest.approx(sum(record.seconds for record in records))
    assert clock.utilisation == pytest.approx(42.0 / (slots * makespan))


def test_records_carry_the_times_of_the_fake_clock_in_order_of_their_ends() -> None:
    _, records = _run(2)

    ends = [record.finished_at for record in records]
    assert ends == sorted(ends)
    assert ends[-1] == START + timedelta(seconds=24.0)
    for record in records:
        assert record.finished_at - record.started_at == timedelta(seconds=record.seconds)


def test_the_number_of_slots_changes_no_trial() -> None:
    searching = make_study()

    found = [sorted((record.trial_id, *record.metrics.values()) for record in _run(n, searching)[1]) for n in (1, 3)]

    assert found[0] == found[1]
