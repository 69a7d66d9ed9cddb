"""Rows of files that may be damaged: each bad one is named, and too many raise an error."""

from __future__ import annotations

import logging
import re
from array import array
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from ablative.trainables.data.findings import NUM_NAMED
from ablative.trainables.data.json_text import Made
from ablative.trainables.data.json_text import opened
from ablative.trainables.data.json_text import parsed
from ablative.trainables.data.json_text import read_json
from ablative.trainables.errors import UnreadableData
from ablative.trainables.strangers import printable
from ablative.trainables.strangers import said

Row = dict[str, Any]

MOST_UNREADABLE = 0.01
"""Share of a file's rows that may be unreadable."""
MOST_KEPT = 10_000
"""Bad rows per file whose reason is kept."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Not allowed in an id, because lists of ids have one per line."""
_LOG = logging.getLogger(__name__)
_COLLECTED: ContextVar[list[BadRows] | None] = ContextVar("collected", default=None)


def lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number, row or the exception it caused) for each line that is not blank.

    Raises `UnreadableData` for a file that is compressed or not in UTF-8.
    """
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _row(line)


def _row(line: str) -> Any:
    try:
        return parsed(line)
    except Exception as error:  # `good_rows`, the boundary of rows, names it
        return error


def count(path: Path, mark: bytes) -> int:
    """Return how often `mark` occurs among the bytes of a file."""
    with path.open("rb") as file:
        return sum(block.count(mark) for block in iter(lambda: file.read(1 << 24), b""))


def listed_ids(path: Path | None) -> frozenset[str] | None:
    """Return the row ids that a file lists as a JSON array; None without a file. Raises `UnreadableData`."""
    if path is None:
        return None
    return read_json(path, "a list of ids", lambda ids: frozenset(identifier(name, "id") for name in listed(ids)))


def identifier(value: Any, field: str) -> str:
    """Return the id of a row as text. Raises ValueError for anything but a line of text or a whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "" or _CONTROL.search(str(value)):
        raise ValueError(f"{field} is {value!r}, expected a line of text or a whole number")
    return str(value)


def text_of(row: Row, field: str) -> str:
    """Return a text field. Raises ValueError, KeyError."""
    value = row[field]
    if not isinstance(value, str):
        raise ValueError(f"{field} is {value!r}, expected a text")
    return value


def listed(value: Any, field: str = "") -> list[Any]:
    """Return `value` if it is a list. Raises ValueError."""
    if not isinstance(value, list):
        raise ValueError(f"{field or 'this'} is {type(value).__name__}, expected a list")
    return value


def read_rows(path: Path, numbered: Iterable[tuple[int, Any]], make: Callable[[Row], list[Made]]) -> Iterator[Made]:
    """Yield the results of `make` on the rows of `path`, in order.

    A row is bad if it is not a JSON object, lacks a field or holds an impossible value. Bad rows are left out; the log
    names file, line or entry, and reason. Raises `UnreadableData` after the last row if more than 1 % are bad.
    """
    found = BadRows(path=path)
    yield from good_rows(numbered, make, found)
    collected = _COLLECTED.get()
    if collected is None:
        refuse(found)
    else:
        collected.append(found)


@contextmanager
def collected_rows() -> Iterator[list[BadRows]]:
    """Let `read_rows` collect its bad rows in the given list instead of judging them."""
    found: list[BadRows] = []
    token = _COLLECTED.set(found)
    try:
        yield found
    finally:
        _COLLECTED.reset(token)


@dataclass(slots=True, kw_only=True)
class BadRows:
    """The unreadable rows of one file."""

    path: Path
    count: int = 0
    """Rows looked at, good and bad."""
    numbers: array[int] = field(default_factory=lambda: array("q"))
    """Lines or entries that are bad, counted from 1."""
    reasons: list[tuple[int, str]] = field(default_factory=list)
    """(line or entry; fault) of the first `MOST_KEPT`."""

    def add(self, number: int, reason: str) -> None:
        """Count a bad row, and keep its reason if it is one of the first."""
        self.numbers.append(number)
        if len(self.reasons) < MOST_KEPT:
            self.reasons.append((number, reason))


def good_rows(
    numbered: Iterable[tuple[int, Any]], make: Callable[[Row], Iterable[Made]], found: BadRows
) -> Iterator[Made]:
    """Yield the result of `make` on each row; unreadable rows go into `found` instead."""
    for number, row in numbered:
        found.count += 1
        try:
            if isinstance(row, Exception):
                raise row
            made = list(make(row))
        except Exception as error:  # the boundary of rows: a stranger's row may raise anything in a reader
            found.add(number, _reason(error))
            continue
        yield from made


def _reason(error: Exception) -> str:
    return f"field {printable(str(error))} is missing" if isinstance(error, KeyError) else said(error)


def too_many(found: BadRows, most: float) -> bool:
    """Return whether more than the share `most` of a file's rows are bad."""
    return len(found.numbers) > most * found.count


def refuse(found: BadRows, most: float = MOST_UNREADABLE) -> None:
    """Raise `UnreadableData` if more than the share `most` of a file's rows are bad; name fewer in the log."""
    if not found.reasons:
        return
    named = "\n".join(f"{found.path}, line {number}: {reason}" for number, reason in found.reasons[:NUM_NAMED])
    summary = f"{found.path}: {len(found.numbers)} of {found.count} rows cannot be read:\n{named}"
    if too_many(found, most):
        raise UnreadableData(
            f"{summary}\nAt most {most:.3g} of the rows may be left out: get the file again, or remove these rows."
        )
    _LOG.warning("%s; left out", summary)
