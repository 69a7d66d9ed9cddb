"""How much memory a trial takes: of its GPU, or of its process where there is none."""

from __future__ import annotations

from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_MB = 1024.0


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
            self.mb = torch.cuda.max_memory_allocated(self._device) / _MB**2
        else:
            self.mb = max(self.mb, resident_mb())


def resident_mb() -> float:
    """Resident memory of this process in MB; 0 where the system does not tell."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / _MB for line in lines if line.startswith("VmRSS:")), 0.0)
