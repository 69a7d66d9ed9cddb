"""The board: one small actor through which trials reach warm worker groups, and outcomes come back.

It keeps no truth: a trial is forgotten once its outcome is collected. Everything runs in one event loop, so
no method needs a lock for its own consistency; `_changed` only wakes those who wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections import deque
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from typing import Any

from trainables.job import Cause
from trainables.job import CurvePoint
from trainables.job import TrialJob
from trainables.job import TrialOutcome


class GroupReplaced(Exception):
    """A worker asked on behalf of a group that the board has given up: its process must end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A trial that ended, as the driver gets it."""

    outcome: TrialOutcome
    started_at: datetime
    """When a group took it (UTC); when it was offered if none did."""


@dataclass(slots=True, kw_only=True)
class _Ticket:
    job: TrialJob
    started_at: datetime
    group: str | None = None
    points: list[CurvePoint] = field(default_factory=list)
    settled: dict[int, TrialOutcome] = field(default_factory=dict)
    """Rank -> what it reported, in order of arrival."""
    outcome: TrialOutcome | None = None


@dataclass(slots=True, kw_only=True)
class _Group:
    token: str
    size: int
    pids: dict[int, int] = field(default_factory=dict)
    reservation: Any = None
    """Ray's placement group of the workers."""
    orders: list[str] = field(default_factory=list)
    """Trials in the order in which every rank gets them."""


class Board:
    """Hands out trials to groups in order, and every trial of a group to all its ranks in the same order."""

    def __init__(self, *, grace_s: float = 15.0) -> None:
        """`grace_s`: how long ranks may still work on a trial that another rank has failed."""
        self._grace_s = grace_s
        self._changed = asyncio.Condition()
        self._tickets: dict[str, _Ticket] = {}
        self._queue: deque[str] = deque()
        self._groups: dict[int, _Group] = {}
        self._timers: set[asyncio.Task[None]] = set()
        self.closed = False
        self.taken: Counter[int] = Counter()
        """Slot -> how many trials its groups have taken so far."""

    # the driver's side

    async def offer(self, job: TrialJob) -> None:
        """Let the next free group take the trial. A trial that is on the board already stays as it is."""
        if job.trial_id not in self._tickets:
            self._tickets[job.trial_id] = _Ticket(job=job, started_at=datetime.now(UTC))
            self._queue.append(job.trial_id)
            await self._wake()

    async def collect(self, trial_id: str) -> Collected | None:
        """Return and forget an ended trial; None if it has not ended."""
        ticket = self._tickets.get(trial_id)
        if ticket is None or ticket.outcome is None:
            return None
        del self._tickets[trial_id]
        return Collected(outcome=ticket.outcome, started_at=ticket.started_at)

    async def close(self) -> None:
        """Send every idle worker home and let go of everyone who waits."""
        self.closed = True
        await self._wake()

    async def reservations(self) -> list[Any]:
        """Return the placement groups of the groups that are up."""
        return [group.reservation for group in self._groups.values() if group.reservation is not None]

    async def pids(self) -> dict[int, dict[int, int]]:
        """Return slot -> rank -> process id of the groups that are up."""
        return {slot: dict(group.pids) for slot, group in self._groups.items()}

    # Tune's side

    async def watch(self, trial_id: str, seen: int) -> tuple[tuple[CurvePoint, ...], bool]:
        """Wait for curve points beyond the first `seen`, or the end; return them and whether it has ended."""
        ticket = self._tickets.get(trial_id)
        if ticket is None:
            return (), True
        async with self._changed:
            await self._changed.wait_for(
                lambda: self.closed or ticket.outcome is not None or len(ticket.points) > seen
            )
        return tuple(ticket.points[seen:]), self.closed or ticket.outcome is not None

    # the groups' side

    async def join(self, slot: int, token: str, *, size: int, rank: int, pid: int, reservation: Any = None) -> None:
        """Announce a worker. The first one of a new group ends what the slot's earlier group was doing."""
        if slot not in self._groups or self._groups[slot].token != token:
            await self.lose(slot, "worker_lost", "its worker group was replaced")
            self._groups[slot] = _Group(token=token, size=size, reservation=reservation)
        self._groups[slot].pids[rank] = pid
        await self._wake()

    async def take(self, slot: int, token: str, index: int) -> TrialJob | None:
        """Wait for the group's trial number `index`; None when there will be no more.

        Raises GroupReplaced for a group that is no longer the slot's.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._can_answer(slot, token, index))
            if self.closed:
                return None
            group = self._group(slot, token)
            if index == len(group.orders):
                self._assign(slot, group)
            return self._tickets[group.orders[index]].job

    async def report(self, trial_id: str, point: CurvePoint) -> None:
        """Add a point to the curve of a running trial; ignored once it has ended, as calls may overtake another."""
        ticket = self._tickets.get(trial_id)
        if ticket is not None and ticket.outcome is None:
            ticket.points.append(point)
            await self._wake()

    async def settle(self, slot: int, token: str, rank: int, outcome: TrialOutcome) -> None:
        """Hand in one rank's outcome. The trial ends when all ranks have done so.

        A rank that failed while the others do not come back within the grace period ends it too, and the group
        with it: its other ranks wait for one that has left.
        """
        group = self._group(slot, token)
        ticket = self._tickets[group.orders[-1]]
        ticket.settled[rank] = outcome
        if len(ticket.settled) == group.size:
            await self._conclude(slot, group, ticket)
        elif outcome.status == "failed":
            timer = asyncio.create_task(self._conclude_later(slot, group, ticket))
            self._timers.add(timer)
            timer.add_done_callback(self._timers.discard)

    async def lose(self, slot: int, cause: Cause, message: str) -> None:
        """Record that the slot's group is gone: the trial it was working on ends with `cause`."""
        group = self._groups.pop(slot, None)
        if group is None:
            return
        for ticket in self._tickets.values():
            if ticket.group == group.token and ticket.outcome is None:
                ticket.outcome = TrialOutcome(
                    status="failed", cause=cause, error=message, curve=tuple(ticket.points), num_workers=group.size
                )
        await self._wake()

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _group(self, slot: int, token: str) -> _Group:
        group = self._groups.get(slot)
        if group is None or group.token != token:
            raise GroupReplaced(f"slot {slot} has another worker group by now")
        return group

    def _can_answer(self, slot: int, token: str, index: int) -> bool:
        group = self._groups.get(slot)
        if self.closed or group is None or group.token != token:
            return True
        return index < len(group.orders) or bool(self._queue)

    def _assign(self, slot: int, group: _Group) -> None:
        trial_id = self._queue.popleft()
        ticket = self._tickets[trial_id]
        ticket.group, ticket.started_at = group.token, datetime.now(UTC)
        group.orders.append(trial_id)
        self.taken[slot] += 1

    async def _conclude_later(self, slot: int, group: _Group, ticket: _Ticket) -> None:
        await asyncio.sleep(self._grace_s)
        if ticket.outcome is None:
            await self._conclude(slot, group, ticket)

    async def _conclude(self, slot: int, group: _Group, ticket: _Ticket) -> None:
        failures = [outcome for outcome in ticket.settled.values() if outcome.status == "failed"]
        agreed = len(ticket.settled) == group.size and len({o.cause for o in ticket.settled.values()}) == 1
        # The first failure is the reason; those after it are often only its echo in the other ranks.
        ticket.outcome = failures[0] if failures and not agreed else ticket.settled[0]
        if not agreed and self._groups.get(slot) is group:
            del self._groups[slot]  # its ranks are out of step
        await self._wake()
