"""The view `trials`: one row a run record, metrics and varied fields as columns of their own."""

from __future__ import annotations

import json
from collections.abc import Collection
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from orchestrator.records import RECORD_SCHEMA

FLATTENED = ("condition", "parameters", "metrics")
"""Map columns of the record that become one column for each of their keys."""

COUNTS = "counts"
"""Column that says whether the study's present plan holds the trial; effects are computed of such trials only."""


ON_FRONT = "on_front"
"""Column that says whether a search trial's setting is on the Pareto front of its cell."""

Fronts = Collection[tuple[str, int]]
"""(Cell id, proposal) of the settings on Pareto fronts."""


def trials_view(records: pa.Table, current: Collection[str] | None, fronts: Fronts = ()) -> pa.Table:
    """Return `records` (in `RECORD_SCHEMA`) with `counts` and `on_front` behind the id and the maps behind the rest.

    `current`: ids of the trials that the study's plan holds now; None counts all. A condition or searched
    parameter is a column named by its dotted path, a metric one named `split/name`; absent values are null.
    """
    counts = [current is None or trial in current for trial in records["trial_id"].to_pylist()]
    columns: dict[str, Any] = {name: records[name] for name in RECORD_SCHEMA.names if name not in FLATTENED}
    places = zip(records["cell_id"].to_pylist(), records["proposal"].to_pylist(), strict=True)
    on_front = [count and place in fronts for count, place in zip(counts, places, strict=True)]
    columns = _insert_after(columns, "trial_id", COUNTS, pa.array(counts, pa.bool_()))
    columns = _insert_after(columns, COUNTS, ON_FRONT, pa.array(on_front, pa.bool_()))
    columns.update(_varied_columns(records))
    columns.update(_metric_columns(records))
    return pa.table(columns)


def decoded(records: pa.Table) -> list[dict[str, Any]]:
    """Return the records as rows whose map columns are dicts; values of conditions and parameters are read."""
    return [
        {
            **row,
            "condition": _read(row["condition"]),
            "parameters": _read(row["parameters"]),
            "metrics": dict(row["metrics"]),
            "versions": dict(row["versions"]),
        }
        for row in records.to_pylist()
    ]


def typed_column(values: Iterable[Any]) -> pa.Array:
    """Return JSON values as one Arrow column: bool, int64 or double where all fit, text otherwise."""
    items = list(values)
    known = [item for item in items if item is not None]
    if not known:
        return pa.nulls(len(items))
    if all(isinstance(item, bool) for item in known):
        return pa.array(items, pa.bool_())
    if all(isinstance(item, int) and not isinstance(item, bool) for item in known):
        return pa.array(items, pa.int64())
    if all(isinstance(item, int | float) and not isinstance(item, bool) for item in known):
        return pa.array([None if item is None else float(item) for item in items], pa.float64())
    return pa.array([_as_text(item) for item in items], pa.string())


def _read(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {path: json.loads(value) for path, value in pairs}


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _varied_columns(records: pa.Table) -> dict[str, pa.Array]:
    conditions, parameters = _maps(records, "condition"), _maps(records, "parameters")
    rows = [{**given, **searched} for given, searched in zip(conditions, parameters, strict=True)]
    paths = dict.fromkeys(path for row in rows for path in row)
    return {path: typed_column(json.loads(row[path]) if path in row else None for row in rows) for path in paths}


def _metric_columns(records: pa.Table) -> dict[str, pa.Array]:
    rows = _maps(records, "metrics")
    names = sorted({name for row in rows for name in row})
    return {name: pa.array([row.get(name) for row in rows], pa.float64()) for name in names}


def _maps(records: pa.Table, column: str) -> list[dict[str, Any]]:
    return [dict(row) for row in records[column].to_pylist()]


def _insert_after(columns: dict[str, Any], name: str, new: str, values: pa.Array) -> dict[str, Any]:
    placed: dict[str, Any] = {}
    for key, column in columns.items():
        placed[key] = column
        if key == name:
            placed[new] = values
    return placed
