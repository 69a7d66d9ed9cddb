"""The entries of a large JSON file, one after another, so the file never lies in memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from typing import TextIO

from ablative.trainables.data.json_text import opened
from ablative.trainables.data.json_text import storable
from ablative.trainables.strangers import parsing

_CHUNK = 1 << 20
_DELIMITERS = frozenset(",:]} \t\r\n")
_DECODER = json.JSONDecoder()


def entries(path: Path, field: str) -> Iterator[Any]:
    """Yield the entries of the list under `field` of a JSON object, or of a file that is a bare list.

    For an entry that cannot be stored as UTF-8, yields the ValueError.

    Raises:
        UnreadableData: at the place where the file is not JSON, ends too early, or has no such list; for a file that
            is compressed or not in UTF-8.
    """
    with opened(path) as file:
        text = _Text(file)
        with _damage(path, field):
            if text.peek() != "[":
                _seek(text, field)
            text.take("[")
        while True:
            with _damage(path, field):
                if text.peek() == "]":
                    return
                entry = text.entry()
                if text.peek() != "]":
                    text.take(",")
            yield entry


def _damage(path: Path, field: str) -> AbstractContextManager[None]:
    return parsing(f"{path}: {field}", "get the file again")


def _seek(text: _Text, field: str) -> None:
    """Go to the value of the object's key `field`."""
    text.take("{")
    while text.peek() != "}":
        key = text.value()
        text.take(":")
        if key == field:
            return
        text.value()
        if text.peek() == ",":
            text.take(",")
    raise KeyError(field)


class _Text:
    """A window on a text file that moves along with reading."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._window, self._place = "", 0

    def peek(self) -> str:
        """Return the next character that is not a blank; empty at the end of the file."""
        while True:
            rest = self._window[self._place : self._place + 1]
            if rest and not rest.isspace():
                return rest
            if rest:
                self._place += 1
            elif not self._more():
                return ""

    def take(self, mark: str) -> None:
        """Move past `mark`. Raises ValueError if something else comes next."""
        found = self.peek()
        if found != mark:
            raise ValueError(f"found {repr(found) if found else 'the end of the file'}, expected {mark!r}")
        self._place += 1

    def value(self) -> Any:
        """Return the next JSON value and move past it. Raises ValueError if there is none."""
        return self._next()[1]

    def entry(self) -> Any:
        """Return the next value like `value`, or the ValueError with which `storable` rejects it."""
        start, value = self._next()
        try:
            return storable(self._window[start : self._place], value)
        except ValueError as error:
            return error

    def _next(self) -> tuple[int, Any]:
        """Return the position of the next value in the window, and the value; move past it."""
        self.peek()
        while True:
            start = self._place
            try:
                value, end = _DECODER.raw_decode(self._window, start)
            except ValueError:
                if not self._more():
                    raise
                continue
            behind = self._window[end : end + 1]
            if behind not in _DELIMITERS and self._more():  # the window's end may have cut a number
                continue
            self._place = end
            return start, value

    def _more(self) -> bool:
        rest = self._window[self._place :]
        added = self._file.read(max(_CHUNK, len(rest)))
        self._window, self._place = rest + added, 0
        return bool(added)
