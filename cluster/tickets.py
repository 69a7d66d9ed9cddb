"""What the board keeps of a trial and of a worker group, and what it tells the driver."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from typing import Any

from ablative.cluster.capacity import Shape
from ablative.trainables.job import Cause
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome

Order = tuple[TrialJob, Shape]
"""What a worker group is told to run a trial, and the shape that the group must have."""


class GroupReplaced(Exception):
    """A worker asked on behalf of a group that the board has given up: its process must end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Too many wait already: to be asked again."""

    seconds: float
    """How long to let pass before; a little more or less, so that not all come at once."""

    def wait(self) -> None:
        """Let that time pass."""
        time.sleep(self.seconds * random.uniform(0.5, 1.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A trial that ended, as the driver gets it."""

    trial_id: str
    outcome: TrialOutcome
    started_at: datetime
    """When a group took it (UTC); when it was offered if none did."""
    queued_seconds: float
    """From the offer until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What happened since the driver asked last."""

    points: tuple[tuple[str, CurvePoint], ...] = ()
    """(Trial id, point) of running trials, in order of arrival, where the board keeps them for the driver."""
    ended: tuple[Collected, ...] = ()
    trouble: str = ""
    """Why the run cannot go on, e.g. a full disk; empty if it can."""


@dataclass(slots=True, kw_only=True)
class Ticket:
    """A trial on the board."""

    job: TrialJob
    shape: Shape
    """Of the group that it needs."""
    offered_at: datetime
    started_at: datetime
    group: str | None = None
    slot: int | None = None
    cancelled: bool = False
    share: float = 0.0
    """How much of the trial its group has done, as far as it has said."""
    points: list[CurvePoint] = field(default_factory=list)
    settled: dict[int, TrialOutcome] = field(default_factory=dict)
    """Rank -> what it reported, in order of arrival."""
    outcome: TrialOutcome | None = None


@dataclass(slots=True, kw_only=True)
class Group:
    """The workers of a slot that are up."""

    token: str
    shape: Shape
    size: int
    pids: dict[int, int] = field(default_factory=dict)
    nodes: set[str] = field(default_factory=set)
    """Ray's names of the machines that its workers are on."""
    workers: list[Any] = field(default_factory=list)
    """Actor handles of the workers, by which a group that hangs is ended."""
    memory_mb: float = 0.0
    """Greatest resident memory of a worker after its last trial."""
    busy: bool = False
    """Whether some rank has still to hand in its outcome: a rank that is done early must wait for the others."""
    retired: bool = False
    """Whether it takes no further trial, so that its slot starts a new one."""
    orders: list[str] = field(default_factory=list)
    """Trials in the order in which every rank gets them."""


def lost(ticket: Ticket, group: Group, cause: Cause, message: str) -> TrialOutcome:
    """Return what is recorded of a trial whose group has gone."""
    seconds = (datetime.now(UTC) - ticket.started_at).total_seconds()
    return TrialOutcome(
        status="failed",
        cause=cause,
        error=message,
        curve=tuple(ticket.points),
        seconds=seconds,
        device_seconds=seconds * group.size,
        num_workers=group.size,
    )
