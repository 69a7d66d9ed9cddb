"""The board's data on trials and worker groups, and its reports to the driver."""

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
"""The order to run a trial, and the shape that its worker group must have."""


class GroupReplaced(Exception):
    """A worker of a group that the board has given up asked for a trial: its process must end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Too many calls wait already: ask again later."""

    seconds: float
    """How long to wait before asking again; varied a little, so that not all ask at once."""

    def wait(self) -> None:
        """Wait that long."""
        time.sleep(self.seconds * random.uniform(0.5, 1.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """An ended trial, as reported to the driver."""

    trial_id: str
    outcome: TrialOutcome
    started_at: datetime
    """When a group took it (UTC), or when it was offered if no group did."""
    queued_seconds: float
    """From the offer until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What happened since the driver's last question."""

    points: tuple[tuple[str, CurvePoint], ...] = ()
    """(Trial id, point) of running trials, in order of arrival, where the board keeps them for the driver."""
    ended: tuple[Collected, ...] = ()
    trouble: str = ""
    """Why the run cannot continue, e.g. a full disk; empty if it can."""


@dataclass(slots=True, kw_only=True)
class Ticket:
    """A trial on the board."""

    job: TrialJob
    shape: Shape
    """The shape of the group that it needs."""
    offered_at: datetime
    started_at: datetime
    group: str | None = None
    slot: int | None = None
    cancelled: bool = False
    share: float = 0.0
    """Progress of the trial, as last reported by its group."""
    points: list[CurvePoint] = field(default_factory=list)
    settled: dict[int, TrialOutcome] = field(default_factory=dict)
    """Rank -> its outcome, in order of arrival."""
    outcome: TrialOutcome | None = None


@dataclass(slots=True, kw_only=True)
class Group:
    """The workers of a slot that are up."""

    token: str
    shape: Shape
    size: int
    pids: dict[int, int] = field(default_factory=dict)
    nodes: set[str] = field(default_factory=set)
    """Ray's names of its workers' machines."""
    workers: list[Any] = field(default_factory=list)
    """Actor handles of the workers, used to end a group that hangs."""
    memory_mb: float = 0.0
    """Greatest resident memory of a worker after its last trial."""
    busy: bool = False
    """Whether some rank has yet to hand in its outcome; a rank that ends early must wait for the others."""
    closing: bool = False
    """Whether it takes no further trial, so that its slot starts a new group."""
    orders: list[str] = field(default_factory=list)
    """Trials in the order in which every rank gets them."""


def lost(ticket: Ticket, group: Group, cause: Cause, message: str) -> TrialOutcome:
    """Return the outcome of a trial whose group is gone."""
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
