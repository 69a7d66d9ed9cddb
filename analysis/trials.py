"""Records as rows of values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa


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


def _read(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {path: json.loads(value) for path, value in pairs}
