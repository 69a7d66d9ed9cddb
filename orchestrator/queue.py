"""The queue: what may run now, what is owed, what is done. A pure decision object: no clock, no file, no thread.

Whatever the order in which records arrive and however many trials run at once, the same study gives the same trials.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.cell_trials import CellTrials
from orchestrator.cell_trials import State
from orchestrator.cell_trials import target_value
from orchestrator.inputs import Inputs
from orchestrator.plan import PlannedCell
from orchestrator.plan import planned
from orchestrator.records import Record
from orchestrator.trials import Trial
from search_spaces.design import Cell
from search_spaces.study import Study

Lookup = Callable[[Trial], Record | None]
"""Gives the record of a trial that was run elsewhere, so that it is not run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellProgress:
    """How far one cell is; counts are trials."""

    cell: str
    cell_id: str
    arm: str
    state: State
    search_done: int
    search_total: int
    confirm_done: int
    confirm_total: int
    failed: int
    running: int
    best: float | None
    """Best mean target of the search so far; of the confirm trials where nothing is searched."""


def _nowhere(trial: Trial) -> Record | None:
    return None


class TrialQueue:
    """All trials of a study, in the order in which they may run."""

    def __init__(
        self,
        study: Study,
        cells: Sequence[Cell],
        records: Iterable[Record],
        inputs: Inputs,
        *,
        lookup: Lookup = _nowhere,
        retry_failed: bool = False,
    ) -> None:
        """Start from what is recorded. `retry_failed` owes failed trials again."""
        earlier = list(records)
        self.study = study
        self.known = {record.trial_id: record for record in earlier if record.completed or not retry_failed}
        """Trial id -> record, of every trial that is not owed."""
        self.taken: list[Record] = []
        """Records found by `lookup`."""
        self.version = 0
        """Grows whenever the plan changes: trials were added, or a cell came to its end."""
        self._lookup = lookup
        self._ready: deque[Trial] = deque()
        self._seen: set[str] = set()
        self._running: dict[str, Trial] = {}
        self.cells = [CellTrials(study, cell, inputs, earlier) for cell in cells]
        self._open = list(self.cells)
        self._advance()

    @property
    def done(self) -> bool:
        """Whether every trial has its record."""
        return not self._open and not self._running and not self._ready

    def next(self) -> Trial | None:
        """Return a trial that may start now and count it as running; None while nothing is ready."""
        if not self._ready:
            return None
        trial = self._ready.popleft()
        self._running[trial.id] = trial
        return trial

    def record(self, record: Record) -> None:
        """Take the record of a trial that ended; it may decide further trials."""
        self._running.pop(record.trial_id, None)
        self.known[record.trial_id] = record
        self._advance()

    def owed(self) -> int:
        """Return how many trials are still to run; duplicates among undecided settings are not foreseen."""
        undecided = sum(cell.undecided_search + cell.undecided_confirm for cell in self.cells)
        return len(self._ready) + len(self._running) + undecided

    def trials(self) -> list[Trial]:
        """Return every trial decided so far, recorded or not, each once."""
        return list({trial.id: trial for cell in self.cells for trial in cell.trials}.values())

    def progress(self) -> list[CellProgress]:
        """Return how far each cell is, in the study's order."""
        return [self._progress(cell) for cell in self.cells]

    def plan(self) -> list[PlannedCell]:
        """Return each cell with its place in the study and its trials as far as they are decided."""
        return [planned(cell, self.study) for cell in self.cells]

    def _advance(self) -> None:
        for cell in self._open:
            while new := cell.advance(self.known):
                self.version += 1
                for trial in new:
                    self._enter(trial)
        still_open = [cell for cell in self._open if cell.state not in ("done", "failed")]
        self.version += len(still_open) < len(self._open)
        self._open = still_open

    def _enter(self, trial: Trial) -> None:
        if trial.id in self.known or trial.id in self._seen:
            return
        found = self._lookup(trial)
        if found is not None:
            self.known[trial.id] = found
            self.taken.append(found)
            return
        self._seen.add(trial.id)
        self._ready.append(trial)

    def _progress(self, cell: CellTrials) -> CellProgress:
        search = [trial for proposed in cell.proposed for trial in proposed.trials]
        ids = {trial.id for trial in cell.trials}
        return CellProgress(
            cell=cell.cell.name,
            cell_id=cell.id,
            arm=cell.cell.arm,
            state=cell.state,
            search_done=sum(trial.id in self.known for trial in search),
            search_total=cell.budget * len(self.study.seeds.search),
            confirm_done=sum(trial.id in self.known for trial in cell.confirm),
            confirm_total=0 if cell.state == "failed" else len(self.study.seeds.confirm),
            failed=sum(trial in self.known and not self.known[trial].completed for trial in ids),
            running=sum(trial in self._running for trial in ids),
            best=self._best(cell),
        )

    def _best(self, cell: CellTrials) -> float | None:
        best = cell.best(self.known)
        if best is not None:
            return best.value
        found = [target_value(self.known.get(trial.id), self.study.target.metric) for trial in cell.confirm]
        values = [value for value in found if value is not None]
        return sum(values) / len(values) if values else None
