"""Whether a machine has the cache that the driver has prepared, and not another folder by the same name."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

from ablative.orchestrator.errors import ClusterError

NAME = "cache_id"


def cache_identity(folder: Path) -> str:
    """Return what tells this cache from all others; it is made where there is none yet."""
    path = folder / NAME
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        written = folder / f".{NAME}-{uuid.uuid4().hex}"
        written.write_text(uuid.uuid4().hex, encoding="ascii")
        try:
            os.link(written, path)  # unlike a rename it leaves what another driver has made meanwhile
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            written.replace(path)
        written.unlink(missing_ok=True)
    return path.read_text(encoding="ascii")


def require_cache(folder: Path, identity: str) -> None:
    """Raise ClusterError if this machine has another cache at `folder`, or none."""
    path = folder / NAME
    if not path.is_file() or path.read_text(encoding="ascii") != identity:
        found = "another cache" if path.is_file() else "no cache"
        raise ClusterError(
            f"machine {socket.gethostname()} has {found} at {folder}, so it can run no trial of this study. "
            "Remedy: mount there what the other machines have, and let it join again"
        )
