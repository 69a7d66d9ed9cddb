"""Names of arms, cells and values for places that take only short names, or not all characters."""

from __future__ import annotations

import hashlib
import re

FILE_NAME = 120
"""Bytes of a file's or folder's name: the limit of most file systems, minus affixes."""
_DIGITS = 8


def shortened(name: str, most: int) -> str:
    """Return `name`, or as much of it as leaves room in `most` bytes of UTF-8 for a hash of the whole."""
    if len(name.encode()) <= most:
        return name
    return _marked(name.encode()[: most - _DIGITS - 1].decode(errors="ignore"), name)


def file_name(name: str) -> str:
    """Return `name` as a file or folder may be called; unequal names stay unequal."""
    plain = re.sub(r"[^\w.=,+-]+", "_", name)
    plain = f"_{plain[1:]}" if plain.startswith(".") else plain or "_"
    return shortened(name, FILE_NAME) if plain == name else shortened(_marked(plain, name), FILE_NAME)


def _marked(text: str, name: str) -> str:
    return f"{text}-{hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]}"
