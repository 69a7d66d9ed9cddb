"""How much memory a trial takes: of its GPU, or of its process where there is none."""

from __future__ import annotations

import torch

from ablative.trainables.processes import resident_mb

_BYTES_PER_MB = 1024.0**2


class MemoryPeak:
    """The greatest memory at the moments at which it was looked at; of a GPU, the greatest of all.

    A process's own peak would count the trials before this one in a warm worker.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.mb = 0.0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def look(self) -> None:
        """Take the present memory into account."""
        if self._device.type == "cuda":
            self.mb = torch.cuda.max_memory_allocated(self._device) / _BYTES_PER_MB
        else:
            self.mb = max(self.mb, resident_mb())
