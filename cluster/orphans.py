"""A worker that has lost its raylet ends: nobody can reach it any more, and it would hold its GPU's memory."""

from __future__ import annotations

import os
import threading
import time

LOOKED_EVERY_S = 2.0
ORPHANED = 70
"""Exit status of a process that ended for it."""


def end_without_parent(every_s: float = LOOKED_EVERY_S) -> None:
    """End this process, from a thread, once the one that started it has ended; whatever it does then."""
    parent = os.getppid()

    def watch() -> None:
        # Not `== 1`: under systemd or in a container others than process 1 take orphans in.
        while os.getppid() == parent:
            time.sleep(every_s)
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="parent", daemon=True).start()
