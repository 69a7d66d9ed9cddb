"""Checks that a machine has the files trials read: the driver's prepared cache, or its own copies, and the data."""

from __future__ import annotations

import errno
import os
import socket
import uuid
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablative.orchestrator.errors import ClusterError
from ablative.places import PlaceError
from ablative.progress import silent
from ablative.trainables.job import TrialJob
from ablative.trainables.published import Listed

NAME = "cache_id"


def cache_identity(folder: Path) -> str:
    """Return the id of this cache, and create it if there is none yet.

    Empty for a read-only cache without an id; machines then compare only its path.
    """
    path = folder / NAME
    if not path.exists():
        try:
            _make(path)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            return ""
    return path.read_text(encoding="ascii")


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{NAME}-{uuid.uuid4().hex}")
    written.write_text(uuid.uuid4().hex, encoding="ascii")
    try:
        os.link(written, path)  # unlike a rename, this keeps the file that another driver has made meanwhile
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        written.replace(path)
    written.unlink(missing_ok=True)


def require_cache(folder: Path, identity: str) -> None:
    """Raise ClusterError if this machine has another cache at `folder`, or none; an empty id is not checked."""
    path = folder / NAME
    if not identity:
        return
    if not path.is_file() or path.read_text(encoding="ascii") != identity:
        found = "another cache" if path.is_file() else "no cache"
        raise ClusterError(
            f"machine {socket.gethostname()} has {found} at {folder}, so it can run no trial of this study. "
            "Remedy: mount the cache of the other machines there, and let it join again"
        )


def fetch_cache(listed: Listed) -> str:
    """Fetch the files that trials read from a cache in object storage; return the folder. Raises ClusterError."""
    try:
        return str(listed.fetched(silent))
    except (PlaceError, OSError) as error:
        raise ClusterError(
            f"machine {socket.gethostname()} cannot fetch the files that trials read, "
            f"so it runs no trial of this study: {error}"
        ) from error


def require_data(absent: Callable[[Sequence[Any]], Sequence[str]] | None, job: TrialJob) -> None:
    """Raise ClusterError if this machine lacks data or files of a trial; `absent` gives a line for each."""
    if absent is not None and (lines := absent([job.config])):
        raise ClusterError(
            f"machine {socket.gethostname()} cannot run a trial of this study: {'; '.join(lines)}. "
            "Remedy: bring it there, or name data by a URI that all machines reach"
        )
