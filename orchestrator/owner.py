"""Who holds a lease: one process on one boot of one machine."""

from __future__ import annotations

import os
import platform
import uuid
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_START_TIME_FIELD = 19
"""Of /proc/<pid>/stat, counted behind the name, which may hold spaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A driver."""

    id: str
    host: str
    boot: str
    """Of the host; empty where the system does not tell."""
    pid: int
    started: str
    """Start time of the process in the system's ticks, because process ids are used again."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def is_gone(self) -> bool:
        """Return whether the process has certainly ended; only its own host can know."""
        if not self.boot or self.host != platform.node():
            return False
        return self.boot != _boot() or self.started != _start_time(self.pid)


def this_owner() -> Owner:
    """Return an owner for this process; each call gives another id."""
    pid = os.getpid()
    return Owner(id=uuid.uuid4().hex, host=platform.node(), boot=_boot(), pid=pid, started=_start_time(pid))


def _boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START_TIME_FIELD]
    except (OSError, IndexError):
        return ""
