"""One run of a study: prepares, executes and records its owed trials, until none is owed."""

from __future__ import annotations

import time
from collections.abc import Collection
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from functools import partial

from ablative.orchestrator.deciding.cell_trials import planned
from ablative.orchestrator.deciding.decisions import Judge
from ablative.orchestrator.deciding.earlier import earlier_lines
from ablative.orchestrator.deciding.endings import Ending
from ablative.orchestrator.deciding.keeping import is_full
from ablative.orchestrator.deciding.keeping import named
from ablative.orchestrator.deciding.queue import Begun
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.deciding.queue import untold
from ablative.orchestrator.deciding.recorded import Recorded
from ablative.orchestrator.deciding.summary import Summary
from ablative.orchestrator.deciding.summary import summarise
from ablative.orchestrator.driving.budget import Spending
from ablative.orchestrator.driving.executor import Executor
from ablative.orchestrator.driving.kept_students import KeptStudents
from ablative.orchestrator.driving.preparing import Beside
from ablative.orchestrator.driving.preparing import Prepare
from ablative.orchestrator.driving.preparing import owed_configs
from ablative.orchestrator.inputs import Inputs
from ablative.orchestrator.showing.display import Display
from ablative.orchestrator.sinks.sinks import Sinks
from ablative.orchestrator.storing.claims import Claims
from ablative.orchestrator.storing.claims import SoleDriver
from ablative.orchestrator.storing.declared import stamp_of
from ablative.orchestrator.storing.plan import study_text
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.storing.records import Provenance
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import adopted
from ablative.orchestrator.storing.records import make_record
from ablative.orchestrator.storing.store import Store
from ablative.orchestrator.storing.store import compaction_key
from ablative.orchestrator.storing.wishes import EVERYTHING
from ablative.orchestrator.storing.wishes import Heeded
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.design import Cell
from ablative.search_spaces.study import Study
from ablative.trainables.job import TrialOutcome

COMPACTED_AFTER = 500
"""Trials of a run after which it first compacts their small files; later it compacts less and less often."""
SHARE_FOR_PLAN = 0.02
"""Largest share of a run's time for rewriting the plan, which grows with the study and can be derived anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A study with everything that its run needs."""

    study: Study
    cells: Sequence[Cell]
    inputs: Inputs
    provenance: Provenance
    prepare: Prepare = lambda configs, progress: None
    """Empty unless an engine sets it."""
    judge: Judge | None = None
    """Required if the study has sequential seeds."""

    def queue(
        self,
        store: Store,
        *,
        adopt: bool,
        recorded: Recorded | None = None,
        retry_failed: bool = False,
        again: Collection[str] = (),
        claims: Claims | None = None,
        begun: Begun = untold,
    ) -> TrialQueue:
        """Return the queue of trials that `store` lacks; `adopt` writes trials of other studies as this study's own.

        `recorded`: the result of `recorded`, if known. `again`: recorded trials to run again. `begun`: called with
        each trial that is handed out.
        """
        return TrialQueue(
            self.study,
            self.cells,
            recorded or self.recorded(store),
            self.inputs,
            lookup=lambda trial: None if trial.id in again else _lookup(store, trial, write=adopt),
            claims=claims,
            judge=self.judge,
            retry_failed=retry_failed,
            again=again,
            heeded=Heeded(partial(store.wishes, self.study.study), datetime.now(UTC)),
            begun=begun,
        )

    def recorded(self, store: Store) -> Recorded:
        """Return the study's records in `store`."""
        study = self.study
        return Recorded(
            records=store.records(study.study),
            curves=store.curve_values(study.study, study.target.metric) if study.search.stop else {},
            warm=store.known_records(study.search.warm_start) if study.search.warm_start else (),
        )


def run_study(
    experiment: Experiment,
    store: Store,
    executor: Executor,
    display: Display,
    *,
    retry_failed: bool = False,
    retrain_students: bool = False,
    claims: Claims | None = None,
    budget: float | None = None,
    sinks: Sinks | None = None,
) -> Summary:
    """Run the trials that the study owes, and return how the run ended.

    Records stay however the run ends; call it again to continue. `budget`: device seconds after which no trial starts.
    `sinks`: where trials are copied to, earlier records first. `retrain_students`: run recorded trials again if the
    student that the study should keep is missing.
    """
    claims, sinks = claims or SoleDriver(), sinks or Sinks()
    display.doing("reading the records")
    recorded = experiment.recorded(store)
    again = untrained(experiment, store, recorded) if retrain_students else set()
    if retrain_students and _has_no_room(experiment.study, store):
        display.say(f"students: keep.gigabytes={experiment.study.keep.gigabytes:g} is full; none is trained again")
    queue = experiment.queue(
        store,
        adopt=True,
        recorded=recorded,
        retry_failed=retry_failed,
        again=again,
        claims=claims,
        begun=display.started,
    )
    planned = {trial.id for trial in queue.trials()}
    told = earlier_lines(experiment.inputs, experiment.study, queue.cells, recorded.records, planned)
    for line in told if queue.owed() else ():
        display.say(line)
    run = _Run(experiment, store, queue, display, claims, budget, sinks, recorded)
    display.doing("starting the workers")
    rest = None
    with executor.open(queue):
        if not queue.done:
            display.doing("looking for data to prepare")
            rest = experiment.prepare(owed_configs(queue), display.preparing)
        run.write_plan()
        run.begin()
        sinks.begin()
        with Beside(rest, queue) as beside:
            queue.await_prepared(beside.unprepared)
            display.start(queue, lambda: _waits(queue, executor, beside), executor.reached, beside.left)
            try:
                run.start_within_budget()
                held = executor.run(queue, run.finish)
            finally:
                run.write_plan()
        display.doing("ending the workers")
    run.settle()
    return run.summary(held)


def _waits(queue: TrialQueue, executor: Executor, beside: Beside) -> str:
    """Return, as clauses, what a run waits for or does beside its trials."""
    return "; ".join(filter(None, (_paused(queue) or executor.waits_for(), beside.told())))


def _paused(queue: TrialQueue) -> str:
    """Return the paused cells, as a clause."""
    paused = sorted(queue.held.paused)
    what = "" if EVERYTHING in paused else f" ({', '.join(paused)})"
    return f"paused{what}, `ablate resume {queue.study.study}` goes on" if paused else ""


def untrained(experiment: Experiment, store: Store, recorded: Recorded) -> set[str]:
    """Return recorded trials whose students should be kept and are missing; none if no more would fit."""
    if not experiment.study.keep.room or _has_no_room(experiment.study, store):
        return set()
    return missing_students(experiment.queue(store, adopt=False, recorded=recorded), store)


def _has_no_room(study: Study, store: Store) -> bool:
    return is_full(study.keep.room, store.students(study.study).sizes().values())


def missing_students(queue: TrialQueue, store: Store) -> set[str]:
    """Return trials, recorded here or taken, whose students should be kept and are missing."""
    return named(queue.study, queue.cells, queue.known) - store.kept_students().keys()


class _Run:
    def __init__(
        self,
        experiment: Experiment,
        store: Store,
        queue: TrialQueue,
        display: Display,
        claims: Claims,
        budget: float | None,
        sinks: Sinks,
        recorded: Recorded,
    ) -> None:
        self._sinks = sinks
        self._recorded = sum(trial.id in queue.known for trial in queue.trials()) - queue.num_taken
        self._ran = self._stopped = 0
        self._undeclared = not any(known.phase == "confirm" for known in recorded.records)
        self._experiment = experiment
        self._store = store
        self._checkpoints = store.checkpoints(experiment.study.study)
        self._students = KeptStudents(queue, store, display.say)
        self._queue = queue
        self._display = display
        self._spending = Spending(limit=budget, typical=_typical(store, experiment.study.study) if budget else 0.0)
        self._claims = claims
        self._compact_at = COMPACTED_AFTER
        self._written = -1
        self._plan_due = 0.0

    def start_within_budget(self) -> None:
        """Start nothing if not even one trial fits."""
        if not self._spending.allows(0):
            self._queue.close()

    def finish(self, trial: Trial, outcome: TrialOutcome, execution: Execution) -> None:
        """Record a trial's outcome, and update the queue with it."""
        records: list[Record] = []

        def write(ending: Ending) -> Record:
            records.append(self._record(ending))
            return records[-1]

        self._queue.end(Ending(trial=trial, outcome=outcome, execution=execution), write)
        for record in records:
            self._display.finished(record, self._queue)
        self._students.ended(trial)
        if not self._spending.allows(self._queue.num_running):
            self._queue.close()
        if time.monotonic() >= self._plan_due:
            self.write_plan()
        if self._ran >= self._compact_at:
            self._compact_at += max(COMPACTED_AFTER, self._ran // 4)  # each time rewrites the merged file
            self._compact()

    def begin(self) -> None:
        """Copy the students of trials that were taken from other studies."""
        self._students.take()
        self._sweep()
        if self._queue.num_taken:
            self._declare()

    def settle(self) -> None:
        """Compact the files of a long run, and copy the students of trials that it took on the way."""
        self._students.take()
        self._sweep()
        if self._ran >= COMPACTED_AFTER:
            self._compact(flatten=True)

    def _sweep(self) -> None:
        """Remove the checkpoints of recorded trials: a worker that was cut off may save one after the record."""
        for trial_id in self._checkpoints.trials():
            if trial_id in self._queue.known:
                self._checkpoints.remove(trial_id)

    def _compact(self, *, flatten: bool = False) -> None:
        study = self._experiment.study.study
        key = compaction_key(study)
        if self._claims.claim({key}):
            try:
                self._store.compact(study)
                if flatten:
                    self._store.flatten(study)
            finally:
                self._claims.release({key})

    def _declare(self) -> None:
        """Stamp the study's declarations before its first confirm result; older studies had no stamp."""
        if self._undeclared:
            self._undeclared = False
            study = self._experiment.study
            reference = next((cell.cell.arm for cell in self._queue.cells if cell.cell.is_reference), "")
            self._store.declare(study.study, stamp_of(study, reference, datetime.now(UTC)))

    def write_plan(self) -> None:
        """Write study.json if the plan has grown since it was last written."""
        if self._written == self._queue.version:
            return
        started = time.monotonic()
        study = self._experiment.study
        self._store.write_study(
            study.study, study_text(study, self._experiment.inputs.trainable.roles, map(planned, self._queue.cells))
        )
        self._written = self._queue.version
        now = time.monotonic()
        self._plan_due = now + (now - started) / SHARE_FOR_PLAN

    def summary(self, held: float) -> Summary:
        """Return how the run ended, given the device seconds that it held."""
        return summarise(
            self._queue,
            recorded=self._recorded,
            ran=self._ran,
            stopped=self._stopped,
            spent=self._spending.spent,
            held=held,
        )

    def _record(self, ending: Ending) -> Record:
        record = make_record(
            ending.trial,
            ending.outcome,
            ending.execution,
            provenance=self._experiment.provenance,
            finished_at=datetime.now(UTC),
        )
        if record.phase == "confirm" or self._experiment.study.seeds.nested:
            self._declare()
        self._store.write(record, ending.outcome.curve, ending.outcome.predictions)
        self._checkpoints.remove_soon(record.trial_id)
        self._sinks.put(record, ending.outcome.curve)
        self._ran += 1
        self._stopped += record.status == "stopped"
        self._spending.add(record.phase if record.completed else record.status, record.device_seconds)
        self._spending.lose(ending.execution.lost_seconds * record.num_workers)
        return record


def _typical(store: Store, study: str) -> float:
    seconds = [record.device_seconds for record in store.records(study)] if study in store.studies() else []
    return sum(seconds) / len(seconds) if seconds else 0.0


def _lookup(store: Store, trial: Trial, *, write: bool) -> Record | None:
    found = store.find(trial.id)
    if found is None or not found.completed or found.study == trial.study:
        return None
    record = adopted(found, trial)
    if write:
        store.adopt(record, found.study)
    return record
