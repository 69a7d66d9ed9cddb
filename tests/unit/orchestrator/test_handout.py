from __future__ import annotations

from datetime import UTC
from datetime import datetime

import pytest

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.driving.handout import Handout
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.storing.records import Provenance
from ablative.orchestrator.storing.records import make_record
from ablative.orchestrator.trials import Trial
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialOutcome
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LOST = TrialOutcome(status="failed", cause="worker_lost", seconds=5.0)
FOUND = TrialOutcome(status="completed", metrics={"val/accuracy": 0.5}, seconds=7.0)


class _Ledger:
    def __init__(self, queue: TrialQueue) -> None:
        self.queue = queue
        self.executions: list[Execution] = []

    def finish(self, trial: Trial, outcome: TrialOutcome, execution: Execution) -> None:
        self.executions.append(execution)
        self.queue.record(make_record(trial, outcome, execution, provenance=Provenance(), finished_at=NOW))


@pytest.fixture
def ledger() -> _Ledger:
    return _Ledger(make_queue(make_study(search={}, seeds={"search": [0], "confirm": [1, 2, 3]})))


def test_no_more_trials_run_than_asked_for(ledger: _Ledger) -> None:
    handout = Handout(ledger.queue, ledger.finish)
    first = list(handout.give(2))
    assert len(first) == 2
    assert list(handout.give(2)) == []
    handout.end(first[0].id, FOUND, started_at=NOW)
    assert len(list(handout.give(2))) == 1


def test_a_lost_trial_is_given_first_again_and_what_it_lost_and_waited_is_recorded(ledger: _Ledger) -> None:
    handout = Handout(ledger.queue, ledger.finish, tries_again=lambda causes: causes == ("worker_lost",))
    lost, other = handout.give(2)
    handout.end(lost.id, LOST, started_at=NOW, queued_seconds=1.0)
    assert ledger.executions == []
    assert next(handout.give(2)).id == lost.id
    handout.end(lost.id, FOUND, started_at=NOW, queued_seconds=2.0)
    handout.end(other.id, FOUND, started_at=NOW)
    assert ledger.executions == [
        Execution(started_at=NOW, attempts=2, lost_seconds=5.0, queued_seconds=3.0),
        Execution(started_at=NOW),
    ]


def test_the_last_loss_is_recorded(ledger: _Ledger) -> None:
    handout = Handout(ledger.queue, ledger.finish, tries_again=lambda causes: len(causes) < 3)
    for _ in range(3):
        trial = next(handout.give(1))
        handout.end(trial.id, LOST, started_at=NOW)
    assert ledger.executions == [Execution(started_at=NOW, attempts=3, lost_seconds=10.0)]
    assert ledger.queue.known[trial.id].status == "failed"


def test_it_is_done_when_all_came_back(ledger: _Ledger) -> None:
    handout = Handout(ledger.queue, ledger.finish)
    while True:
        trials = list(handout.give(4))
        if handout.done:
            break
        assert trials
        for trial in trials:
            assert not handout.done
            handout.end(trial.id, FOUND, started_at=NOW)
    assert ledger.queue.done
    assert len(ledger.executions) == len(ledger.queue.trials())


def test_a_point_of_a_trial_that_has_ended_cancels_nothing(ledger: _Ledger) -> None:
    handout = Handout(ledger.queue, ledger.finish)
    trial = next(handout.give(1))
    handout.end(trial.id, FOUND, started_at=NOW)
    assert not handout.observe(trial.id, CurvePoint(split="val", metric="accuracy", step=1, value=0.0, seconds=1.0))


def test_a_queue_that_owes_and_gives_nothing_is_an_error_instead_of_waiting_for_ever(ledger: _Ledger) -> None:
    handout = Handout(ledger.queue, ledger.finish)
    lost_track = ledger.queue.next()
    assert lost_track is not None
    for trial in handout.give(1000):
        handout.end(trial.id, FOUND, started_at=NOW)
    with pytest.raises(RuntimeError, match="nothing is ready"):
        _ = handout.done
