"""The result of a search's setting over the trials of its search seeds, for search, displays and analysis."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["completed", "stopped", "failed", "unfinished"]
"""`failed` where a seed failed or gave no finite target, whatever the others did; `stopped` where a rule stopped a
seed; `unfinished` where a seed is still owed."""
Ended = tuple[Literal["completed", "stopped", "failed"], float | None]
"""How a trial ended, and its target on val: for a stopped trial the best so far, None if it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The result of a setting."""

    state: State
    value: float | None
    """Mean target over the seeds of a completed or stopped setting, if all have one; None otherwise."""


def reached(trials: Iterable[Ended | None]) -> Reached:
    """Return the result of a setting from its trials, one for each search seed; None stands for an owed trial."""
    found = list(trials)
    ended = [trial for trial in found if trial is not None]
    finite = [(status, value) for status, value in ended if value is not None and math.isfinite(value)]
    statuses = Counter(status for status, _ in ended)
    state: State = "completed"
    if statuses["failed"] or statuses["completed"] > sum(status == "completed" for status, _ in finite):
        state = "failed"
    elif statuses["stopped"]:
        state = "stopped"
    elif len(ended) < len(found) or not found:
        state = "unfinished"
    has_value = state in ("completed", "stopped") and len(finite) == len(found)
    return Reached(state=state, value=mean_of(value for _, value in finite) if has_value else None)


def mean_of(values: Iterable[float | None]) -> float | None:
    """Return the mean of the finite values; None if there is none."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else None
