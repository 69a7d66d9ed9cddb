"""Rows of files that may be damaged: each bad one is named, and too many are refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import TypeVar

from trainables.errors import UnreadableData

Row = dict[str, Any]
Made = TypeVar("Made")

MOST_UNREADABLE = 0.01
"""Share of a file's rows that may be unreadable."""
_NUM_NAMED = 5
_LOG = logging.getLogger(__name__)


def lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number, row or the ValueError it caused) for each line that is not blank."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except ValueError as error:
                    yield number, error


def read_rows(path: Path, numbered: Iterable[tuple[int, Any]], make: Callable[[Row], list[Made]]) -> list[Made]:
    """Return everything that `make` makes of the rows of `path`.

    A row that is no JSON object, lacks a field or holds an impossible value is left out and named in the log
    (file, line or entry, reason). Raises `UnreadableData` if they are more than 1 %.
    """
    made: list[Made] = []
    problems: list[str] = []
    count = 0
    for number, row in numbered:
        count += 1
        try:
            if isinstance(row, Exception):
                raise row
            made += make(row)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            problems.append(f"{path}, line {number}: {_reason(error)}")
    _report(path, problems, count)
    return made


def _reason(error: Exception) -> str:
    return f"field {error} is missing" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"


def _report(path: Path, problems: list[str], count: int) -> None:
    if not problems:
        return
    named = "\n".join(problems[:_NUM_NAMED])
    summary = f"{path}: {len(problems)} of {count} rows cannot be read:\n{named}"
    if len(problems) > MOST_UNREADABLE * count:
        raise UnreadableData(f"{summary}\nAt most 1 % may be left out: get the file again, or remove these rows.")
    _LOG.warning("%s; left out", summary)
