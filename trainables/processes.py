"""What the system says of this process."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")
_KB_PER_MB = 1024.0


def resident_mb() -> float:
    """Resident memory of this process in MB; 0 where the system does not tell."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / _KB_PER_MB for line in lines if line.startswith("VmRSS:")), 0.0)
