"""The records of a study as the view `trials`: one row per record, metrics and varied fields as separate columns."""

from __future__ import annotations

import json
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ablative.orchestrator.storing.records import RECORD_SCHEMA

FLATTENED = ("condition", "parameters", "metrics")
"""Map columns of the record that become one column for each of their keys."""

COUNTS = "counts"
"""Column that says whether the study's present plan holds the trial; effects are computed of such trials only."""

ON_FRONT = "on_front"
"""Column that says whether a search trial's setting is on the Pareto front of its cell."""

Fronts = Collection[tuple[str, int]]
"""(Cell name, proposal) of the settings on Pareto fronts."""


def trials_view(records: pa.Table, current: Collection[str] | None, fronts: Fronts = ()) -> pa.Table:
    """Return `records` (in `RECORD_SCHEMA`) with `counts` and `on_front` after the id and the maps after the rest.

    `current`: ids of the trials that the study's plan holds now; None counts all. A condition or searched parameter
    becomes a column named by its dotted path, a metric one named `split/name`; absent values are null.
    """
    counts = [current is None or trial in current for trial in records["trial_id"].to_pylist()]
    places = zip(records["cell"].to_pylist(), records["proposal"].to_pylist(), strict=True)
    on_front = [count and place in fronts for count, place in zip(counts, places, strict=True)]
    columns: dict[str, Any] = {}
    for name in RECORD_SCHEMA.names:
        if name not in FLATTENED:
            columns[name] = records[name]
        if name == "trial_id":
            columns |= {COUNTS: pa.array(counts, pa.bool_()), ON_FRONT: pa.array(on_front, pa.bool_())}
    return pa.table({**columns, **_varied_columns(records), **metric_columns(records)})


def metrics_of(view: pa.Schema) -> list[str]:
    """Return the names of the view's metric columns: no other has a slash."""
    return [name for name in view.names if "/" in name]


def typed_column(values: Iterable[Any]) -> pa.Array:
    """Return JSON values as one Arrow column: bool, int64 or double if all fit, text otherwise."""
    items = list(values)
    kinds = {type(item) for item in items} - {type(None)}
    if not kinds:
        return pa.nulls(len(items))
    if kinds == {bool}:
        return pa.array(items, pa.bool_())
    if kinds == {int}:
        return pa.array(items, pa.int64())
    if kinds <= {int, float}:
        return pa.array([None if item is None else float(item) for item in items], pa.float64())
    return pa.array([_as_text(item) for item in items], pa.string())


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _varied_columns(records: pa.Table) -> dict[str, pa.Array]:
    """Columns in order of appearance, a row's conditions first; a searched value takes precedence."""
    maps = [_keys(records, name) for name in ("condition", "parameters")]
    firsts: dict[str, tuple[int, int, int]] = {}
    for which, found in enumerate(maps):
        for path, (first, *_) in found.items():
            row, place = first
            firsts[path] = min(firsts.get(path, (row, which, place)), (row, which, place))
    columns = {}
    for path in sorted(firsts, key=firsts.__getitem__):
        values: list[Any] = [None] * len(records)
        for found in maps:
            if path in found:
                _, rows, texts = found[path]
                for row, value in zip(rows, _read_all(texts), strict=True):
                    values[row] = value
        columns[path] = typed_column(values)
    return columns


def _read_all(texts: Sequence[str]) -> list[Any]:
    """Return many JSON values, parsed as one list: a tenth of the time."""
    return list(json.loads(f"[{','.join(texts)}]"))


def metric_columns(records: pa.Table) -> dict[str, pa.Array]:
    """Return metric -> its value in each record (in `RECORD_SCHEMA`, or in the view); null if it has none."""
    if "metrics" not in records.column_names:
        return {name: records[name] for name in metrics_of(records.schema)}
    columns = {}
    for name, (_, rows, values) in sorted(_keys(records, "metrics").items()):
        column: list[float | None] = [None] * len(records)
        for row, value in zip(rows, values, strict=True):
            column[row] = value
        columns[name] = pa.array(column, pa.float64())
    return columns


def _keys(records: pa.Table, column: str) -> dict[str, tuple[tuple[int, int], list[int], list[Any]]]:
    """Return key -> (row and position of its first occurrence, rows that have it, their values) of a map column."""
    maps = records[column].combine_chunks()
    if isinstance(maps, pa.ChunkedArray):  # without rows there is no chunk to combine
        maps = maps.chunk(0) if maps.num_chunks else pa.array([], maps.type)
    offsets = maps.offsets.to_numpy()
    start, end = int(offsets[0]), int(offsets[-1])
    keys = maps.keys.slice(start, end - start).dictionary_encode()
    values = maps.items.slice(start, end - start)
    rows = np.repeat(np.arange(len(maps)), np.diff(offsets))
    found = {}
    for code, key in enumerate(keys.dictionary.to_pylist()):
        at = np.flatnonzero(keys.indices.to_numpy() == code)
        first = int(at[0])
        place = (int(rows[first]), first)
        found[key] = (place, rows[at].tolist(), pc.take(values, pa.array(at)).to_pylist())
    return found
