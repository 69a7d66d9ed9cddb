"""How far a study's cells are."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.cell_trials import State


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
    stopped: int
    running: int
    best: float | None
    """Best mean target of the search so far; of the confirm trials where nothing is searched."""
