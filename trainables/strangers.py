"""The boundary for strangers' bytes: any exception of a parser becomes one named error. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager

from ablative.trainables.errors import DataError
from ablative.trainables.errors import UnreadableData

MOST_SAID = 200
"""Most characters kept of a parser's message, which may quote megabytes of the file."""


@contextmanager
def parsing(
    place: str,
    remedy: str,
    raises: Callable[[str], Exception] = UnreadableData,
    *,
    passed: type[Exception] = DataError,
) -> Iterator[None]:
    """Turn every exception of the block into `raises` with the place, what was wrong and the remedy.

    A parser of damaged bytes raises nearly anything (`struct.error`, `MemoryError`, `RecursionError`, ...). Errors of
    kind `passed` were named further in and go through.
    """
    try:
        yield
    except passed:
        raise
    except Exception as error:
        raise raises(f"{place}: {said(error)}; {remedy}") from error


def said(error: Exception) -> str:
    """Return an exception's kind and words: one short line that can be printed, whatever bytes it quotes."""
    words = printable(str(error))
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def printable(text: str, most: int = MOST_SAID) -> str:
    """Return the first line of a stranger's text, at most `most` characters, without control characters."""
    line = next((line for line in text[: 4 * most].splitlines() if line.strip()), "").strip()
    shown = "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in line)
    return shown if len(shown) <= most else f"{shown[:most]}..."
