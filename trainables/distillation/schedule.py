"""The course of the distillation weight over training."""

from __future__ import annotations

import math
from collections.abc import Callable

WARMUP_SHARE = 0.3
"""Share of training over which `warmup` rises from 0 to 1."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: (1.0 + math.cos(math.pi * progress)) / 2.0,
    "warmup": lambda progress: min(1.0, progress / WARMUP_SHARE),
}
"""`distillation.weighting.schedule` -> multiplier at `progress`: always 1; falling from 1 to 0 along a line or half a
cosine; rising from 0 to 1 and staying there."""


def multiplier(schedule: str, progress: float) -> float:
    """Return the factor in [0, 1] of all distillation terms at `progress`, the share of steps done, in [0, 1].

    Raises ValueError for progress outside [0, 1].
    """
    if not 0.0 <= progress <= 1.0:
        raise ValueError(f"progress is the share of training steps done, in [0, 1]; found {progress!r}")
    return SCHEDULES[schedule](progress)
