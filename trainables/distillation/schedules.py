"""The course of the distillation weight over training: the table of `distillation.weighting.schedule`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Literal
from typing import TypeAlias

from ablative.trainables.distillation.choice import Choice
from ablative.trainables.distillation.choice import table

WARMUP_SHARE = 0.3
"""Share of training over which `warmup` rises from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Schedule(Choice):
    """A course of the weight of all terms."""

    factor: Callable[[float], float]
    """Share of the steps done, in [0, 1] -> factor in [0, 1]."""


SCHEDULES = table(
    Schedule(name="constant", description="always 1", factor=lambda progress: 1.0),
    Schedule(name="linear", description="falls from 1 to 0 along a line", factor=lambda progress: 1.0 - progress),
    Schedule(
        name="cosine",
        description="falls from 1 to 0 along half a cosine",
        factor=lambda progress: (1.0 + math.cos(math.pi * progress)) / 2.0,
    ),
    Schedule(
        name="warmup",
        description="rises from 0 to 1 and stays there",
        factor=lambda progress: min(1.0, progress / WARMUP_SHARE),
    ),
)

if TYPE_CHECKING:
    ScheduleName: TypeAlias = str
else:
    ScheduleName = Literal[tuple(SCHEDULES)]


def multiplier(schedule: str, progress: float) -> float:
    """Return the factor in [0, 1] of all distillation terms at `progress`, the share of steps done, in [0, 1].

    Raises ValueError for progress outside [0, 1].
    """
    if not 0.0 <= progress <= 1.0:
        raise ValueError(f"progress is the share of training steps done, in [0, 1]; found {progress!r}")
    return SCHEDULES[schedule].factor(progress)
