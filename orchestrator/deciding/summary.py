"""How a run ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ablative.orchestrator.deciding.queue import TrialQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a run ended; counts are trials."""

    study: str
    recorded: int
    """Recorded before this run."""
    taken: int
    """Taken from other studies."""
    ran: int
    stopped: int
    """Of these, stopped early by a rule of the search."""
    owed: int
    """Not run, because the budget of the run was spent."""
    spent: Mapping[str, float]
    """Device seconds of this run: `search`, `confirm`, `stopped`, `failed`, `lost`."""
    held: float
    """Device seconds for which workers existed, from their start."""
    failed: dict[str, int]
    """Cell -> failed trials among all of the present plan."""
    causes: dict[str, int]
    cells_without_result: tuple[str, ...]
    """Cells whose search has no completed setting: they have nothing to confirm."""

    @property
    def overhead(self) -> float:
        """Device seconds held without running a trial: starting workers, and waiting."""
        return max(0.0, self.held - sum(self.spent.values()))

    @property
    def utilisation(self) -> float:
        """Share of the held device seconds that went into trials."""
        return 1 - self.overhead / self.held if self.held else 1.0

    @property
    def num_failed(self) -> int:
        """Failed trials of the present plan."""
        return sum(self.failed.values())


def summarise(
    queue: TrialQueue, *, recorded: int, ran: int, stopped: int, spent: Mapping[str, float], held: float
) -> Summary:
    """Return how the run of `queue` ended."""
    failed = [
        (cell, queue.known[trial])
        for cell in queue.cells
        for trial in {trial.id for trial in cell.trials}
        if trial in queue.known and queue.known[trial].status == "failed"
    ]
    return Summary(
        study=queue.study.study,
        recorded=recorded,
        taken=queue.num_taken,
        ran=ran,
        stopped=stopped,
        owed=queue.owed(),
        spent=spent,
        held=held,
        failed=dict(Counter(cell.cell.name for cell, _ in failed)),
        causes=dict(Counter(result.cause for _, result in failed)),
        cells_without_result=tuple(cell.cell.name for cell in queue.cells if cell.state == "failed"),
    )
