"""The answer model of `ablate status --json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import AwareDatetime

from ablative.frozen import Answer
from ablative.orchestrator.deciding.progress import CellProgress
from ablative.orchestrator.showing.standing import Standing


class FailedTrial(Answer):
    """A trial that failed."""

    trial_id: str
    cell: str
    phase: Literal["search", "confirm"]
    proposal: int | None
    """Index in the cell's search; null in the confirm phase."""
    seed: int
    cause: str
    error: str


class Declared(Answer):
    """What the study declared before its first confirm trial was recorded."""

    at: AwareDatetime
    hash: str
    """Of target, comparisons and reference arm."""
    late: tuple[str, ...]
    """What was changed afterwards, such as `margin` or `claim gain`."""


class StatusAnswer(Answer):
    """The answer of `ablate status --json`."""

    status_version: Literal[1] = 1
    study: str
    metric: str
    """The target, `split/name`; empty if the store does not say."""
    mode: Literal["min", "max"]
    trials: int
    """Planned, as far as they are foreseen."""
    recorded: int
    """Of these."""
    cells: tuple[CellProgress, ...]
    failed: tuple[FailedTrial, ...]
    """Of the present plan."""
    fronts: dict[str, tuple[str, ...]]
    """Cell -> its Pareto front of target and cost, a text a setting, the cheapest first."""
    superseded: int
    """Records of arms or settings that the study no longer holds."""
    declared: Declared | None
    """Null before the first confirm trial."""
    searches: tuple[str, ...]
    """Sentences on searches that ended at an edge or were too short."""
    problems: tuple[str, ...]
    """Files of the store that were skipped, with the reason."""


def status_answer(standing: Standing, searches: Sequence[str]) -> StatusAnswer:
    """Return the progress of a study for JSON; `searches`: the sentences on its searches."""
    stamp = standing.stamp
    return StatusAnswer(
        study=standing.study,
        metric=standing.metric,
        mode="min" if standing.mode == "min" else "max",
        trials=sum(cell.total for cell in standing.cells),
        recorded=sum(cell.done for cell in standing.cells),
        cells=tuple(standing.cells),
        failed=tuple(
            FailedTrial(**{name: getattr(record, name) for name in FailedTrial.model_fields})
            for record in standing.failed
        ),
        fronts={cell: tuple(front) for cell, front in standing.fronts.items()},
        superseded=standing.num_superseded,
        declared=None if stamp is None else Declared(at=stamp.at, hash=stamp.hash, late=standing.late),
        searches=tuple(searches),
        problems=tuple(standing.problems),
    )
