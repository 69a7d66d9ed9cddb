"""How much memory a trial takes: on its GPU, or in its process without one.

Imports no torch: if a trial uses a GPU, torch is loaded.
"""

from __future__ import annotations

import sys

from ablative.trainables.processes import resident_mb

_BYTES_PER_MB = 1024.0**2


class MemoryPeak:
    """The greatest memory at the sampled moments; on a GPU, the true peak.

    A process's own peak would include earlier trials of a warm worker.
    """

    def __init__(self) -> None:
        torch = sys.modules.get("torch")
        self._gpu = torch.cuda if torch is not None and torch.cuda.is_available() else None
        self.mb = 0.0
        if self._gpu is not None:
            self._gpu.reset_peak_memory_stats()

    def look(self) -> None:
        """Take the present memory into account."""
        if self._gpu is not None:
            self.mb = self._gpu.max_memory_allocated() / _BYTES_PER_MB
        else:
            self.mb = max(self.mb, resident_mb())
