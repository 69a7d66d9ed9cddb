"""Why a private Ray cluster did not start, judged by Ray's error and the machine, and how to fix it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Reason = Literal["long_path", "full_disk", "busy", "no_folder", "other"]

LONGEST_SOCKET = 107 if sys.platform.startswith("linux") else 103
"""Most bytes of a socket's path."""
BELOW = "/ray/session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""The longest path that Ray appends to its folder for temporary files."""
LEAST_FREE = 256 * 2**20
"""Free bytes on the disk of that folder with which Ray starts and works."""
BUSY = 1.5
"""Load per processor above which Ray's time limits may be too short."""
_TOO_SLOW = ("timed out", "took longer", "metrics_agent_port", "overloaded", "failed to start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The state of a machine on which Ray is to start."""

    folder: str
    """Ray's folder for temporary files."""
    free: float
    """Free bytes on its disk; NaN if the folder does not exist."""
    load: float
    """Load average over one minute."""
    processors: int

    @classmethod
    def here(cls, folder: str) -> Machine:
        """Return this machine."""
        try:
            found = os.statvfs(folder)
            free = float(found.f_bavail * found.f_frsize)
        except OSError:
            free = float("nan")
        return cls(folder=folder, free=free, load=os.getloadavg()[0], processors=os.cpu_count() or 1)


def reason_of(said: str, machine: Machine) -> Reason:
    """Return why Ray did not start: the cause in its error, if any, else what the machine lacks."""
    if "AF_UNIX" in said or too_long(machine.folder):
        return "long_path"
    if machine.free != machine.free:
        return "no_folder"
    if "No space left" in said or machine.free < LEAST_FREE:
        return "full_disk"
    if machine.load > BUSY * machine.processors or any(words in said for words in _TOO_SLOW):
        return "busy"
    return "other"


def remedy(reason: Reason, machine: Machine) -> str:
    """Return how the user can fix it."""
    match reason:
        case "long_path":
            return (
                f"set RAY_TMPDIR to a short path, such as /tmp: below {machine.folder} the paths of Ray's sockets "
                f"would have more than {LONGEST_SOCKET} bytes"
            )
        case "no_folder":
            return f"set RAY_TMPDIR to an existing folder; {machine.folder} does not exist"
        case "full_disk":
            free = f"{machine.free / 2**20:.0f} MiB are free"
            return f"free some space in {machine.folder} ({free}), or set RAY_TMPDIR to a folder on another disk"
        case "busy":
            return (
                f"the machine is busy (load {machine.load:.1f} on {machine.processors} processors); try again later, "
                "or take --executor inline, which needs no Ray"
            )
        case "other":
            return f"see Ray's logs in {machine.folder}/ray/session_latest/logs, or take --executor inline"


def too_long(folder: str) -> bool:
    """Return whether Ray's sockets below `folder` would have longer paths than the system allows."""
    return len(os.fsencode(folder)) + len(BELOW) > LONGEST_SOCKET


def temporary_folder() -> str:
    """Return the folder that Ray takes for temporary files."""
    return os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"


@contextmanager
def short_folder(folder: str, shared: tuple[str, ...] = ("/tmp", "/dev/shm")) -> Iterator[str | None]:
    """Yield our own folder instead of `folder` if that path is too long; None if it is not, or if there is no other.

    The folder is removed at the end.
    """
    place = next((one for one in shared if os.access(one, os.W_OK | os.X_OK)), None) if too_long(folder) else None
    if place is None:
        yield None
        return
    made = tempfile.mkdtemp(prefix="ablate-", dir=place)
    print(f"Ray's temporary files are in {made}: {folder} is too long a path for its sockets", file=sys.stderr)
    try:
        yield made
    finally:
        shutil.rmtree(Path(made), ignore_errors=True)
