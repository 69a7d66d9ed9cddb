"""The owner of a lease: one process on one machine, distinct from every other one, including dead ones."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

from ablative.frozen import Frozen

_PROC = Path("/proc")


class Owner(Frozen):
    """A process that claims trials."""

    id: str
    """Never used again, not even by the same process after it lost its lease. A smaller id goes first."""
    host: str
    """For people."""
    machine: str
    """Boot and namespaces within which process numbers mean something; empty if unknown."""
    pid: int
    started: str
    """When the process started, on the machine's clock: process numbers are reused."""

    @classmethod
    def here(cls) -> Owner:
        """Return this process as a new owner."""
        pid = os.getpid()
        status = _status(pid)
        return cls(
            id=uuid.uuid4().hex[:16],
            host=socket.gethostname(),
            machine=_machine(),
            pid=pid,
            started=status[1] if status else "",
        )


def is_gone(owner: Owner) -> bool:
    """Return whether the owner's process has certainly ended; False if this machine cannot tell."""
    if not owner.machine or not owner.started or (owner.host, owner.machine) != (socket.gethostname(), _machine()):
        return False
    status = _status(owner.pid)
    if status is None:
        return not _is_there(owner.pid)
    state, started = status
    return started != owner.started or state in "ZX"  # killed, and not yet collected by its parent


def _is_there(pid: int) -> bool:
    """Return whether the process exists: some machines hide the files of other people's processes."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _status(pid: int) -> tuple[str, str] | None:
    """Return the state of a process (one letter) and when it started (clock ticks since boot); None if unreadable."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    behind_name = text.rpartition(")")[2].split()  # the name may contain blanks and brackets
    return behind_name[0], behind_name[19]


def _machine() -> str:
    """Return the boot, and the namespaces of processes and of time: two containers share a boot, not their numbers."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        spaces = [os.readlink(_PROC / "self/ns" / name) for name in ("pid", "time") if _has_space(name)]
    except OSError:
        return ""
    return " ".join([boot, *spaces])


def _has_space(name: str) -> bool:
    return (_PROC / "self/ns" / name).is_symlink()
