"""What every executor keeps to. Subclass `ExecutorContract`, and give `make_executor`.

One run, accidents included, is shared by all claims: an executor may take seconds to start.
"""

from __future__ import annotations

import threading
import time
from abc import ABC
from abc import abstractmethod
from collections import defaultdict
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from pathlib import Path

import pytest

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.driving.executor import Executor
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.storing.records import Provenance
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import make_record
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.study import Resources
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import executions
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

STUDY = make_study()
RAISING, NON_FINITE = 2, 3
"""Confirm seeds that meet an accident in every cell."""


LINGERS_S = 2.5


class Lingering(SimulatedTrainable):
    """One trial stays half done for a while."""

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        if job.seed == 1 and job.config.task.data_fraction == 1 and job.config.distillation.terms.tokens > 0:
            link.reached(0.5)
            time.sleep(LINGERS_S)
        return SimulatedTrainable.__call__(self, job, link)


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Everything that an executor told its driver."""

    queue: TrialQueue
    records: list[Record] = field(default_factory=list)
    outcomes: dict[str, TrialOutcome] = field(default_factory=dict)
    threads: set[int] = field(default_factory=set)
    shares: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))
    """Trial -> how much of it was said to be done while it ran, as another thread saw it."""

    def watch(self, executor: Executor, ended: threading.Event) -> None:
        """Ask again and again, as a display does."""
        while not ended.wait(0.1):
            for trial_id, share in executor.reached().items():
                self.shares[trial_id].add(share)

    def finish(self, trial: Trial, outcome: TrialOutcome, execution: Execution) -> None:
        """Keep what came, and tell the queue."""
        record = make_record(trial, outcome, execution, provenance=Provenance(), finished_at=datetime.now(UTC))
        self.threads.add(threading.get_ident())
        self.records.append(record)
        self.outcomes[trial.id] = outcome
        self.queue.record(record)


class ExecutorContract(ABC):
    """Claims about an executor."""

    @abstractmethod
    def make_executor(self, run_trial: SimulatedTrainable, resources: Resources, cache: Path) -> Executor:
        """Return the executor under test; it is run at most twice."""

    @pytest.fixture(scope="class")
    @classmethod
    def marks(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Folder with a mark for each execution."""
        return tmp_path_factory.mktemp("marks")

    @pytest.fixture(scope="class")
    @classmethod
    def ledger(cls, marks: Path, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
        """What the executor did with a whole study."""
        run_trial = Lingering(ledger=str(marks), raises_for=(RAISING,), non_finite_for=(NON_FINITE,))
        ledger, ended = Ledger(queue=make_queue(STUDY)), threading.Event()
        executor = cls().make_executor(run_trial, STUDY.resources, tmp_path_factory.mktemp("cache"))
        watching = threading.Thread(target=ledger.watch, args=(executor, ended))
        watching.start()
        try:
            executor.run(ledger.queue, ledger.finish)
        finally:
            ended.set()
            watching.join()
        return ledger

    def test_completed_trials_are_those_of_a_plain_loop(self, ledger: Ledger) -> None:
        completed = {record.trial_id: record.metrics for record in ledger.records if record.completed}
        plain = {record.trial_id: record.metrics for record in run_all(make_queue(STUDY))}

        assert len(completed) == len(plain) - 2 * len(ledger.queue.cells)
        assert completed == {trial: metrics for trial, metrics in plain.items() if trial in completed}

    def test_every_trial_is_recorded_once_and_nothing_is_owed(self, ledger: Ledger) -> None:
        ids = [record.trial_id for record in ledger.records]

        assert ledger.queue.done
        assert ledger.queue.owed() == 0
        assert sorted(ids) == sorted({trial.id for trial in ledger.queue.trials()})

    def test_every_trial_is_executed_once(self, ledger: Ledger, marks: Path) -> None:
        assert executions(marks) == {record.trial_id: 1 for record in ledger.records}
        assert {record.attempts for record in ledger.records} == {1}

    def test_a_trial_that_raises_is_a_row_and_its_siblings_go_on(self, ledger: Ledger) -> None:
        raised = [record for record in ledger.records if record.seed == RAISING]

        assert len(raised) == len(ledger.queue.cells)
        assert {(record.status, record.cause) for record in raised} == {("failed", "trainable_error")}
        assert all(f"seed {RAISING} raises on purpose" in record.error for record in raised)
        assert all("Traceback" in record.error or "File " in record.error for record in raised)

    def test_a_trial_that_becomes_nan_keeps_its_cause(self, ledger: Ledger) -> None:
        lost = [record for record in ledger.records if record.seed == NON_FINITE]

        assert {(record.status, record.cause) for record in lost} == {("failed", "non_finite")}

    def test_curves_and_predictions_arrive(self, ledger: Ledger) -> None:
        completed = [record for record in ledger.records if record.completed]

        assert all(len(ledger.outcomes[record.trial_id].curve) == 3 for record in completed)
        with_predictions = {record.phase for record in completed if ledger.outcomes[record.trial_id].predictions}
        assert with_predictions == {"confirm"}

    def test_another_thread_can_ask_how_much_of_running_trials_is_done(self, ledger: Ledger) -> None:
        lingering = {trial_id for trial_id, shares in ledger.shares.items() if 0.5 in shares}

        assert [record.seed for record in ledger.records if record.trial_id in lingering] == [1]
        assert all(0 <= share <= 1 for shares in ledger.shares.values() for share in shares)

    def test_start_times_are_aware_and_before_the_end(self, ledger: Ledger) -> None:
        assert all(record.started_at.tzinfo is not None for record in ledger.records)
        assert all(record.started_at <= record.finished_at for record in ledger.records)

    def test_finish_is_called_from_one_thread(self, ledger: Ledger) -> None:
        assert len(ledger.threads) == 1

    def test_a_study_that_owes_nothing_runs_nothing(self, ledger: Ledger, marks: Path) -> None:
        again = Ledger(queue=make_queue(STUDY, ledger.records))
        self.make_executor(SimulatedTrainable(ledger=str(marks)), STUDY.resources, marks).run(
            again.queue, again.finish
        )

        assert again.queue.done
        assert again.records == []
