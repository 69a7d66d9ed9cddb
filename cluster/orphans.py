"""Ends a worker that has lost its raylet: it is unreachable, and would keep its GPU's memory."""

from __future__ import annotations

import os
import threading
import time

LOOKED_EVERY_S = 2.0
ORPHANED = 70
"""Exit status of a process that ended because it was orphaned."""


def end_without_parent(every_s: float = LOOKED_EVERY_S) -> None:
    """End this process, from a thread, as soon as its parent has ended, whatever it is doing."""
    parent = os.getppid()

    def watch() -> None:
        # Not `== 1`: under systemd or in a container, other processes than number 1 adopt orphans.
        while os.getppid() == parent:
            time.sleep(every_s)
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="parent", daemon=True).start()
