"""One run of a study: what it owes is prepared, executed and recorded, until nothing is owed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime

from orchestrator.display import Display
from orchestrator.executor import Executor
from orchestrator.inputs import Inputs
from orchestrator.plan import study_content
from orchestrator.queue import TrialQueue
from orchestrator.records import Execution
from orchestrator.records import Provenance
from orchestrator.records import Record
from orchestrator.records import adopted
from orchestrator.records import make_record
from orchestrator.store import Store
from orchestrator.trials import Trial
from orchestrator.trials import with_parameters
from search_spaces.design import Cell
from search_spaces.study import Study
from trainables.config import TrialConfig
from trainables.job import TrialOutcome

Progress = Callable[[str, int, int], None]
Prepare = Callable[[Sequence[TrialConfig], Progress], None]
"""Makes ready what trials of these configurations read; told where to report (stage, done, total)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a run ended; counts are trials."""

    study: str
    recorded: int
    """Recorded before this run."""
    taken: int
    """Taken from other studies of the store."""
    ran: int
    failed: dict[str, int]
    """Cell -> failed trials among all of the present plan."""
    causes: dict[str, int]
    cells_without_result: tuple[str, ...]
    """Cells whose search has no completed setting: they have nothing to confirm."""

    @property
    def num_failed(self) -> int:
        """Failed trials of the present plan."""
        return sum(self.failed.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A study with everything that a run of it needs to know."""

    study: Study
    cells: Sequence[Cell]
    inputs: Inputs
    provenance: Provenance
    prepare: Prepare = lambda configs, progress: None
    """Nothing, unless an engine says what."""

    def queue(self, store: Store, *, adopt: bool, retry_failed: bool = False) -> TrialQueue:
        """Return the queue of what `store` lacks; `adopt` writes trials of other studies as this study's own."""
        return TrialQueue(
            self.study,
            self.cells,
            store.records(self.study.study),
            self.inputs,
            lookup=lambda trial: _lookup(store, trial, write=adopt),
            retry_failed=retry_failed,
        )


def run_study(
    experiment: Experiment, store: Store, executor: Executor, display: Display, *, retry_failed: bool = False
) -> Summary:
    """Run what the study owes and return how it ended.

    What was recorded stays recorded however the run ends: the same call goes on where this one stopped.
    """
    queue = experiment.queue(store, adopt=True, retry_failed=retry_failed)
    run = _Run(experiment, store, queue, display)
    with display:
        if not queue.done:
            experiment.prepare(owed_configs(queue), display.preparing)
        run.write_plan()
        display.start(queue)
        executor.run(queue, run.finish)
    return _summary(queue, run)


def owed_configs(queue: TrialQueue) -> list[TrialConfig]:
    """Return every configuration that the unfinished cells may run, as far as preparation can tell them apart."""
    configs: dict[TrialConfig, None] = {}
    for cell in queue.cells:
        if cell.state in ("done", "failed"):
            continue
        configs[with_parameters(cell.config, {})] = None
        for path, domain in cell.cell.space:
            configs.update(dict.fromkeys(with_parameters(cell.config, {path: value}) for value in domain.probes()))
        configs.update(dict.fromkeys(trial.config for trial in cell.trials))
    return list(configs)


class _Run:
    def __init__(self, experiment: Experiment, store: Store, queue: TrialQueue, display: Display) -> None:
        self.recorded = sum(trial.id in queue.known for trial in queue.trials()) - len(queue.taken)
        self.ran = 0
        self._experiment = experiment
        self._store = store
        self._queue = queue
        self._display = display
        self._written = -1

    def finish(self, trial: Trial, outcome: TrialOutcome, execution: Execution) -> None:
        """Record a trial's outcome and let it decide what runs next."""
        record = make_record(
            trial,
            outcome,
            execution,
            provenance=self._experiment.provenance,
            finished_at=datetime.now(UTC),
        )
        self._store.write(record, outcome.curve, outcome.predictions)
        self._queue.record(record)
        self.ran += 1
        self.write_plan()  # before the trials that this record decided can start
        self._display.finished(record, self._queue)

    def write_plan(self) -> None:
        """Write study.json if the plan has grown since it was last written."""
        if self._written != self._queue.version:
            self._written = self._queue.version
            study = self._experiment.study
            self._store.write_study(study.study, study_content(study, self._queue.plan()))


def _lookup(store: Store, trial: Trial, *, write: bool) -> Record | None:
    found = store.find(trial.id)
    if found is None or not found.completed or found.study == trial.study:
        return None
    record = adopted(found, trial)
    if write:
        store.adopt(record, found.study)
    return record


def _summary(queue: TrialQueue, run: _Run) -> Summary:
    failed = [
        (cell, queue.known[trial])
        for cell in queue.cells
        for trial in {trial.id for trial in cell.trials}
        if trial in queue.known and not queue.known[trial].completed
    ]
    return Summary(
        study=queue.study.study,
        recorded=run.recorded,
        taken=len(queue.taken),
        ran=run.ran,
        failed=dict(Counter(cell.cell.name for cell, _ in failed)),
        causes=dict(Counter(record.cause for _, record in failed)),
        cells_without_result=tuple(cell.cell.name for cell in queue.cells if cell.state == "failed"),
    )
