"""Names of pictures in annotations: none leads out of the image folder. Imports no torch."""

from __future__ import annotations

from typing import Any

METADATA = "metadata.parquet"
"""File that stands for its folder if it has pictures inside (`trainables.data.picture_tables`)."""
_MOST_BYTES = 250
"""Longest part of a name: file systems allow 255, and a metadata file may have a longer suffix than its picture."""


def picture_name(name: Any) -> str:
    """Return the name of a picture, relative to the image folder, if it is valid.

    Judged by its form alone: a link that the user has put into the folder may lead anywhere. Raises ValueError.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"picture {name!r}, expected the name of a file")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        raise ValueError(f"picture {name!r} lies outside the image folder")
    if not name.isprintable() or parts[-1] in ("", "."):
        raise ValueError(f"picture {name!r} is not the name of a file")
    if max(len(part.encode()) for part in parts) > _MOST_BYTES:
        raise ValueError(f"picture {name[:40]!r}... has a name of more than {_MOST_BYTES} bytes")
    return name
