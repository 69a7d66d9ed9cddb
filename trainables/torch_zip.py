"""Checks PyTorch's zip archives against the size of their file before reading anything in them."""

from __future__ import annotations

import zipfile
from pathlib import Path

_CODE = "/code/"


def require_whole(path: Path) -> None:
    """Raise `zipfile.BadZipFile` unless a zip archive holds all that it claims, as it is.

    PyTorch compresses nothing but the code of TorchScript archives, which is never read here. So no entry that is read
    is longer than the file, and all together are not either.
    """
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if _CODE not in entry.filename]
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise zipfile.BadZipFile(f"{entry.filename} is compressed, which PyTorch never does")
    claimed, size = sum(entry.file_size for entry in entries), path.stat().st_size
    if claimed > size:
        raise zipfile.BadZipFile(f"its entries have {claimed:,} bytes, the file {size:,}")
