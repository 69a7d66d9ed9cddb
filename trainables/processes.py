"""What the system reports about this process. Imports no torch: if a process uses a GPU, torch is loaded."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_KB_PER_MB = 1024.0


def resident_mb() -> float:
    """Resident memory of this process in MB; 0 if the system does not say."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / _KB_PER_MB for line in lines if line.startswith("VmRSS:")), 0.0)


def device_name() -> str:
    """Return the model of the worker's GPU; `cpu` if it has none, or has not loaded torch."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return "cpu"
    return str(torch.cuda.get_device_name(torch.cuda.current_device()))
