"""The progress of a study's cells."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ablative.orchestrator.deciding.cell_search import Curves
from ablative.orchestrator.deciding.cell_search import Known
from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.reached import mean_of
from ablative.orchestrator.storing.plan import State


@dataclass(frozen=True, slots=True, kw_only=True)
class CellProgress:
    """The progress of one cell; counts are trials."""

    cell: str
    cell_id: str
    arm: str
    state: State
    search_done: int
    search_total: int
    confirm_done: int
    confirm_total: int
    failed: int
    stopped: int
    running: int
    best: float | None
    """Best mean target of the search so far; of the confirm trials if nothing is searched."""
    majority: float | None = None
    """The score of the most frequent class of training; None if nobody knows, and while a study runs."""
    lack: str = ""
    """Why the cell has learned nothing; empty if it has, or nobody knows."""
    nested: bool = False
    """Whether the confirm trials are trials of the search."""

    @property
    def done(self) -> int:
        """Trials that have ended, each counted once."""
        return self.search_done + (0 if self.nested else self.confirm_done)

    @property
    def total(self) -> int:
        """Trials known in advance, each counted once."""
        return self.search_total + (0 if self.nested else self.confirm_total)


def cell_progress(cell: CellTrials, known: Known, curves: Curves, running: Collection[str]) -> CellProgress:
    """Return the progress of a cell, given the known trials and the ids of the running ones."""
    search = [trial for proposed in cell.proposed for trial in proposed.trials]
    ids = {trial.id for trial in cell.trials}
    endings = [known[trial].status for trial in ids if trial in known]
    return CellProgress(
        cell=cell.cell.name,
        cell_id=cell.id,
        arm=cell.cell.arm,
        state=cell.state,
        search_done=sum(trial.id in known for trial in search),
        search_total=cell.search_total,
        confirm_done=sum(trial.id in known for trial in cell.confirm),
        confirm_total=cell.confirm_total,
        failed=endings.count("failed"),
        stopped=endings.count("stopped"),
        running=sum(trial in running for trial in ids),
        best=_best(cell, known, curves),
        nested=cell.nested,
    )


def _best(cell: CellTrials, known: Known, curves: Curves) -> float | None:
    best = cell.best_value(known, curves)
    if best is not None:
        return best
    return mean_of(known[trial.id].value for trial in cell.confirm if trial.id in known)
