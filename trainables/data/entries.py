"""The entries of a large JSON file, one after the other, so that the file never lies in memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import TextIO

from trainables.errors import UnreadableData

_CHUNK = 1 << 20
_DELIMITERS = frozenset(",:]} \t\r\n")
_DECODER = json.JSONDecoder()


def entries(path: Path, field: str) -> Iterator[Any]:
    """Yield the entries of the list under `field` of a JSON object, or of a file that is a bare list.

    Raises:
        UnreadableData: at the place where the file is not JSON, ends too early, or has no such list.
    """
    with path.open(encoding="utf-8") as file:
        text = _Text(file)
        try:
            if text.peek() != "[":
                _seek(text, field)
            yield from _items(text)
        except (ValueError, KeyError) as error:
            raise UnreadableData(f"{path}: {field}: {type(error).__name__}: {error}; get the file again.") from error


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


def _items(text: _Text) -> Iterator[Any]:
    text.take("[")
    while text.peek() != "]":
        yield text.value()
        if text.peek() != "]":
            text.take(",")


class _Text:
    """A window on a text file that moves along with what was taken."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._window, self._place = "", 0

    def peek(self) -> str:
        """Return the next character that is no blank, empty at the end of the file."""
        while True:
            rest = self._window[self._place : self._place + 1]
            if rest and not rest.isspace():
                return rest
            if rest:
                self._place += 1
            elif not self._more():
                return ""

    def take(self, mark: str) -> None:
        """Go behind `mark`. Raises ValueError if something else comes next."""
        found = self.peek()
        if found != mark:
            raise ValueError(f"found {repr(found) if found else 'the end of the file'}, expected {mark!r}")
        self._place += 1

    def value(self) -> Any:
        """Return the next JSON value and go behind it. Raises ValueError if there is none."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._window, self._place)
            except ValueError:
                if not self._more():
                    raise
                continue
            behind = self._window[end : end + 1]
            if behind not in _DELIMITERS and self._more():  # a number that the window's end has cut
                continue
            self._place = end
            return value

    def _more(self) -> bool:
        rest = self._window[self._place :]
        added = self._file.read(max(_CHUNK, len(rest)))
        self._window, self._place = rest + added, 0
        return bool(added)
