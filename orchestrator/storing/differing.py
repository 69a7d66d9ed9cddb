"""Differences between records, and between their descriptions: paths with other values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

_LONGEST = 40


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give each value with its dotted path."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def differing(first: Mapping[str, Any], second: Mapping[str, Any], paths: Iterable[str]) -> list[str]:
    """Return those of `paths` whose values differ; a missing one counts as None."""
    return [path for path in paths if first.get(path) != second.get(path)]


def all_values(described: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Return path -> every value that it has anywhere, once and in one order, so that two sides can be compared."""
    found: dict[str, dict[str, Any]] = {}
    for values in described:
        for path, value in values.items():
            found.setdefault(path, {})[json.dumps(value)] = value
    return {path: tuple(values[text] for text in sorted(values)) for path, values in found.items()}


def shown(value: Any) -> str:
    """Return a value shortened to fit a line; `none` for an empty text."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[: _LONGEST - 3]}..." if len(text) > _LONGEST else text or "none"
