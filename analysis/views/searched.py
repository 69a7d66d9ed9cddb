"""What the search of each cell tried: one entry a setting, over its search seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal

import numpy as np
import pyarrow as pa

from ablative.analysis.plan import StudyPlan
from ablative.analysis.trials import decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """One setting of a cell's search."""

    parameters: Mapping[str, Any]
    state: Literal["completed", "stopped", "failed", "unfinished"]
    """`failed` where a seed failed or gave no finite target; `unfinished` where a seed is still owed."""
    value: float | None
    """Mean target over the search seeds; of a stopped setting the best it had reached; None of the others."""


def searched(records: pa.Table, plan: StudyPlan) -> dict[str, list[Searched]]:
    """Return cell name -> settings of the present plan in the order proposed."""
    trials: dict[str, dict[int, list[dict[str, Any]]]] = {cell.name: {} for cell in plan.cells}
    for row in decoded(records):
        counts = plan.current is None or row["trial_id"] in plan.current
        if counts and row["phase"] == "search" and (cell := plan.cell_of(row)) is not None:
            trials[cell.name].setdefault(row["proposal"], []).append(row)
    return {name: [_setting(of[number], plan) for number in sorted(of)] for name, of in trials.items()}


def count(settings: Sequence[Searched], state: str) -> int:
    """Return how many settings are in `state`."""
    return sum(setting.state == state for setting in settings)


def _setting(rows: Sequence[dict[str, Any]], plan: StudyPlan) -> Searched:
    values = [row["metrics"].get(plan.target.metric, math.nan) for row in rows]
    statuses = {row["status"] for row in rows}
    finite = all(map(math.isfinite, values))
    state: Literal["completed", "stopped", "failed", "unfinished"] = "completed"
    if "failed" in statuses or not (finite or "stopped" in statuses):
        state = "failed"
    elif "stopped" in statuses:
        state = "stopped"
    elif {row["seed"] for row in rows} < set(plan.seeds.search):
        state = "unfinished"
    known = finite and state in ("completed", "stopped")
    return Searched(parameters=rows[0]["parameters"], state=state, value=float(np.mean(values)) if known else None)
