"""The settings tried in each search: completed settings with their target, read without the rest of the records."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa

from ablative.analysis.plan import StudyPlan
from ablative.orchestrator.reached import reached
from ablative.orchestrator.storing.flat_trials import metric_columns
from ablative.search_spaces.searches import search_of

TRIED = ("trial_id", "cell", "cell_id", "phase", "seed", "proposal", "status")
"""Columns of a record that identify its setting, besides parameters and metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One completed setting."""

    parameters: Mapping[str, Any]
    value: float
    """Mean target over the search seeds."""


def tried_settings(records: pa.Table, plan: StudyPlan) -> dict[tuple[str, int], list[Tried]]:
    """Return (place, search) -> its completed settings in the order proposed.

    `records`: with the columns `TRIED`, and parameters and metrics as maps or as separate columns.
    """
    trials: dict[tuple[str, int], dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(records, plan):
        if row["phase"] == "search" and (plan.current is None or row["trial_id"] in plan.current):
            number = search_of(row["seed"], plan.seeds.search, repeats=plan.search.repeats, nested=plan.seeds.nested)
            trials[row[plan.place_column], number][row["proposal"]].append(row)
    each = 1 if plan.seeds.nested else max(1, len(plan.seeds.search) // plan.search.repeats)
    return {
        search: [tried for _, rows in sorted(of.items()) if (tried := _tried(rows, each)) is not None]
        for search, of in trials.items()
    }


def _tried(rows: list[dict[str, Any]], each: int) -> Tried | None:
    owed = [None] * (each - len(rows))
    found = reached([*((row["status"], row["target"]) for row in rows), *owed])
    if found.state != "completed" or found.value is None:
        return None
    return Tried(parameters=rows[0]["parameters"], value=found.value)


def _rows(records: pa.Table, plan: StudyPlan) -> Iterable[dict[str, Any]]:
    targets = metric_columns(records).get(plan.target.metric)
    if targets is None:
        return ()
    paths = [path for path in plan.search.space if path in records.column_names]
    rows = records.select([*TRIED, *(["parameters"] if "parameters" in records.column_names else paths)]).to_pylist()
    read = cache(json.loads)
    for row, target in zip(rows, targets.to_pylist(), strict=True):
        row["target"] = target
        if paths:
            row["parameters"] = {path: row[path] for path in paths if row[path] is not None}
        else:
            row["parameters"] = {path: read(text) for path, text in row["parameters"] or ()}
    return rows
