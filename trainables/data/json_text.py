"""JSON from strangers: UTF-8, with or without a byte order mark. Imports no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import TextIO
from typing import TypeVar

from ablative.trainables.errors import UnreadableData
from ablative.trainables.strangers import parsing

Made = TypeVar("Made")

_OTHERS = {
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"BZh": "compressed by bzip2; unpack it",
    b"\xfd7zXZ": "compressed by xz; unpack it",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it",
    b"PK\x03\x04": "a zip archive; unpack it",
    b"\xff\xfe\x00\x00": "UTF-32; save it as UTF-8",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}
"""First bytes of a file -> what it is instead of UTF-8 text, and the remedy."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape of half a surrogate pair; two of them in a row make one character."""


def opened(path: Path) -> TextIO:
    """Return a file as text, without a byte order mark.

    Bytes that are not UTF-8 are read as half surrogate pairs, so that `storable` rejects only their row. Raises
    `UnreadableData` for a file that is compressed or in another encoding.
    """
    with path.open("rb") as file:
        start = file.read(5)
    for mark, what in _OTHERS.items():
        if start.startswith(mark):
            raise UnreadableData(f"{path} is {what}.")
    if b"\0" in start:
        raise UnreadableData(f"{path} begins with a zero byte, as UTF-16 does; save it as UTF-8.")
    return path.open(encoding="utf-8-sig", errors="surrogateescape")


def parsed(text: str) -> Any:
    """Return the value of JSON text. Raises as `json.loads`, and ValueError as `storable`."""
    return storable(text, json.loads(text))


def storable(text: str, value: Any) -> Any:
    """Return `value`, read from the JSON `text`, if all its strings can be stored as UTF-8.

    Raises ValueError for a byte that was not UTF-8, or for half a surrogate pair: a legal escape, but not a character.
    """
    if mark := _unstorable(text):
        raise ValueError(f"byte 0x{ord(mark) - 0xDC00:02x} is not UTF-8")
    if _HALF.search(text) and (mark := _unstorable(json.dumps(value, ensure_ascii=False))):
        raise ValueError(f"\\u{ord(mark):04x} is half a surrogate pair, not a character")
    return value


def _unstorable(text: str) -> str:
    """Return the first half of a surrogate pair in a text, empty if it has none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text[error.start]
    return ""


def read_json(path: Path, expected: str, make: Callable[[Any], Made]) -> Made:
    """Return the result of `make` on a small JSON file. Raises `UnreadableData`, naming the `expected` contents."""
    with parsing(str(path), f"expected {expected}"), opened(path) as file:
        return make(parsed(file.read()))
