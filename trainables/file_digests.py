"""Digests of single files, remembered: a file is read again when its size or one of its times has changed.

The time of the last change (ctime) reveals changes that keep the modification time: a copy with `cp -p`, or an archive
unpacked over older files. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from ablative.trainables.cache import write_atomically

Stamp = tuple[int, int, int]
"""Size in bytes, modification time and time of the last change in ns."""
UNSETTLED_NS = 2_000_000_000
"""A file changed this recently may change again under the same stamp, because file systems have coarse clocks."""
UNSURE = -1
"""Stored as such a file's time of change: it matches no file, so the next look reads the file again."""


def stamp_of(stat: os.stat_result) -> Stamp:
    """Return the stamp that changes with a file."""
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def settled(stamp: Stamp, looked_at_ns: int) -> Stamp:
    """Return the stamp to store for a file inspected at this time (time.time_ns) and read afterwards."""
    size, modified, changed = stamp
    return size, modified, changed if changed < looked_at_ns - UNSETTLED_NS else UNSURE


def file_digests(paths: Iterable[Path], cache: Path) -> list[str]:
    """Return the SHA-256 of each file; a file whose stamp is known is not read again."""
    memory = cache / "file_digests.json"
    known = _remembered(memory)
    before = dict(known)
    found: list[str] = []
    for path in paths:
        key, now = str(path.absolute()), time.time_ns()
        stamp = stamp_of(path.stat())
        entry = known.get(key)
        if not entry or entry[:-1] != [*stamp]:
            with path.open("rb") as file:
                known[key] = [*settled(stamp, now), hashlib.file_digest(file, "sha256").hexdigest()]
        found.append(str(known[key][-1]))
    if known != before:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memory, json.dumps(known))
    return found


def _remembered(memory: Path) -> dict[str, list[object]]:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # only a memory: without it the files are read
        return {}
    return content if isinstance(content, dict) else {}
