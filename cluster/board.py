"""The board: one small actor through which trials reach warm worker groups, and outcomes come back.

It keeps no truth: a trial is forgotten once its outcome is collected. Everything runs in one event loop, so
no method needs a lock for its own consistency; `_changed` only wakes those who wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections import deque
from collections.abc import Coroutine
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
    """(Trial id, point) of running trials, in order, where the board keeps them for the driver."""
    ended: tuple[Collected, ...] = ()
    trouble: str = ""
    """Why the run cannot go on, e.g. a full disk; empty if it can."""


@dataclass(slots=True, kw_only=True)
class _Ticket:
    job: TrialJob
    offered_at: datetime
    started_at: datetime
    group: str | None = None
    slot: int | None = None
    cancelled: bool = False
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


class Board:
    """Hands out trials to groups in order, and every trial of a group to all its ranks in the same order."""

    def __init__(
        self,
        *,
        grace_s: float = 15.0,
        trials_per_group: int | None = None,
        memory_limit_mb: float | None = None,
        keep_points: bool = False,
    ) -> None:
        """Nothing is started yet.

        `grace_s`: how long ranks may still work on a trial that another rank has failed, or that is beyond its time.
        `trials_per_group`, `memory_limit_mb`: when a group is retired. `keep_points`: whether news has points.
        """
        self._grace_s = grace_s
        self._trials_per_group = trials_per_group
        self._memory_limit_mb = memory_limit_mb
        self._keep_points = keep_points
        self._points: list[tuple[str, CurvePoint]] = []
        self._ended: list[str] = []
        self._trouble = ""
        self._news: Counter[int] = Counter()
        """Slot -> how often there was news of it."""
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
            now = datetime.now(UTC)
            self._tickets[job.trial_id] = _Ticket(job=job, offered_at=now, started_at=now)
            self._queue.append(job.trial_id)
            await self._wake()

    async def cancel(self, trial_id: str) -> None:
        """Ask a running trial to stop at its next evaluation; its group stays as it is."""
        if trial_id in self._tickets:
            self._tickets[trial_id].cancelled = True

    async def news(self) -> News:
        """Return what happened since the last call, and forget the trials that ended."""
        ended = tuple(self._collected(trial_id, self._tickets.pop(trial_id)) for trial_id in self._ended)
        points = tuple(self._points)
        self._ended, self._points = [], []
        return News(points=points, ended=ended, trouble=self._trouble)

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

    async def news_of(self, slot: int, seen: int) -> tuple[int, bool]:
        """Wait until there was news of the slot more than `seen` times; return how often, and whether that was all."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.closed or self._news[slot] > seen)
        return self._news[slot], self.closed

    # the groups' side

    async def join(
        self, slot: int, token: str, *, size: int, rank: int, pid: int, reservation: Any = None, worker: Any = None
    ) -> None:
        """Announce a worker. The first one of a new group ends what the slot's earlier group was doing."""
        if slot not in self._groups or self._groups[slot].token != token:
            await self.lose(slot, "worker_lost", "its worker group was replaced")
            self._groups[slot] = _Group(token=token, size=size, reservation=reservation)
        self._groups[slot].pids[rank] = pid
        if worker is not None:
            self._groups[slot].workers.append(worker)
        await self._wake()

    async def take(self, slot: int, token: str, index: int) -> TrialJob | None:
        """Wait for the group's trial number `index`; None when there will be no more for this group.

        Raises GroupReplaced for a group that is no longer the slot's.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._can_answer(slot, token, index))
            if self.closed:
                return None
            group = self._group(slot, token)
            if index == len(group.orders):
                if group.retired:
                    return None
                self._assign(slot, group)
            return self._tickets[group.orders[index]].job

    async def report(self, trial_id: str, point: CurvePoint) -> None:
        """Add a point to the curve of a running trial; ignored once it has ended, as calls may overtake another."""
        ticket = self._tickets.get(trial_id)
        if ticket is not None and ticket.outcome is None:
            ticket.points.append(point)
            if self._keep_points:
                self._points.append((trial_id, point))
                await self._tell(ticket)

    async def is_cancelled(self, trial_id: str) -> bool:
        """Return whether the trial is to stop."""
        return trial_id in self._tickets and self._tickets[trial_id].cancelled

    async def complain(self, trouble: str) -> None:
        """Say why the run cannot go on."""
        self._trouble = self._trouble or trouble
        for slot in self._groups:
            self._news[slot] += 1
        await self._wake()

    async def settle(self, slot: int, token: str, rank: int, outcome: TrialOutcome, memory_mb: float = 0.0) -> None:
        """Hand in one rank's outcome, and the resident memory it is left with. The trial ends when all ranks have.

        A rank that failed while the others do not come back within the grace period ends it too, and the group
        with it: its other ranks wait for one that has left.
        """
        group = self._group(slot, token)
        ticket = self._tickets[group.orders[-1]]
        ticket.settled[rank] = outcome
        group.memory_mb = max(group.memory_mb, memory_mb)
        if len(ticket.settled) == group.size:
            await self._conclude(slot, group, ticket)
        elif outcome.status == "failed":
            self._later(self._conclude_later(slot, group, ticket))

    async def lose(self, slot: int, cause: Cause, message: str) -> None:
        """Record that the slot's group is gone: the trial it was working on ends with `cause`."""
        group = self._groups.pop(slot, None)
        if group is None:
            return
        for ticket in self._tickets.values():
            if ticket.group == group.token and ticket.outcome is None:
                await self._end(ticket, _lost(ticket, group, cause, message))
        await self._wake()

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _tell(self, ticket: _Ticket) -> None:
        """Wake the lane of the ticket's slot."""
        if ticket.slot is not None:
            self._news[ticket.slot] += 1
        await self._wake()

    async def _end(self, ticket: _Ticket, outcome: TrialOutcome) -> None:
        if ticket.outcome is not None:  # others may have come first while this one waited
            return
        ticket.outcome = outcome
        self._ended.append(ticket.job.trial_id)
        await self._tell(ticket)

    def _collected(self, trial_id: str, ticket: _Ticket) -> Collected:
        assert ticket.outcome is not None
        return Collected(
            trial_id=trial_id,
            outcome=ticket.outcome,
            started_at=ticket.started_at,
            queued_seconds=(ticket.started_at - ticket.offered_at).total_seconds(),
        )

    def _group(self, slot: int, token: str) -> _Group:
        group = self._groups.get(slot)
        if group is None or group.token != token:
            raise GroupReplaced(f"slot {slot} has another worker group by now")
        return group

    def _can_answer(self, slot: int, token: str, index: int) -> bool:
        group = self._groups.get(slot)
        if self.closed or group is None or group.token != token:
            return True
        return index < len(group.orders) or (not group.busy and (group.retired or bool(self._queue)))

    def _assign(self, slot: int, group: _Group) -> None:
        trial_id = self._queue.popleft()
        ticket = self._tickets[trial_id]
        ticket.group, ticket.slot, ticket.started_at = group.token, slot, datetime.now(UTC)
        group.orders.append(trial_id)
        group.busy = True
        self.taken[slot] += 1
        if ticket.job.time_limit_s is not None:
            self._later(self._end_hung(slot, group, ticket, ticket.job.time_limit_s))

    def _later(self, call: Coroutine[Any, Any, None]) -> None:
        timer = asyncio.create_task(call)
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    async def _conclude_later(self, slot: int, group: _Group, ticket: _Ticket) -> None:
        await asyncio.sleep(self._grace_s)
        if ticket.outcome is None:
            await self._conclude(slot, group, ticket)

    async def _end_hung(self, slot: int, group: _Group, ticket: _Ticket, limit_s: float) -> None:
        """End a trial that did not end itself by its time limit, and with it the group that it holds up."""
        await asyncio.sleep(1.1 * limit_s + self._grace_s)
        if ticket.outcome is not None or self._groups.get(slot) is not group:
            return
        message = f"it did not end by its time limit of {limit_s:g} s, and was ended with its worker group"
        await self.lose(slot, "time_limit", message)
        for worker in group.workers:
            end_worker(worker)

    async def _conclude(self, slot: int, group: _Group, ticket: _Ticket) -> None:
        failures = [outcome for outcome in ticket.settled.values() if outcome.status == "failed"]
        agreed = len(ticket.settled) == group.size and len({o.cause for o in ticket.settled.values()}) == 1
        # The first failure is the reason; those after it are often only its echo in the other ranks.
        outcome = failures[0] if failures and not agreed else ticket.settled[0]
        group.busy, group.retired = False, self._is_worn(group, outcome)
        if not agreed and self._groups.get(slot) is group:
            del self._groups[slot]  # its ranks are out of step
        await self._end(ticket, outcome)

    def _is_worn(self, group: _Group, outcome: TrialOutcome) -> bool:
        """Return whether the group's next trial is better off in new processes."""
        limit = self._memory_limit_mb
        return (
            outcome.cause == "out_of_memory"
            or (self._trials_per_group is not None and len(group.orders) >= self._trials_per_group)
            or (limit is not None and group.memory_mb > limit)
        )


def _lost(ticket: _Ticket, group: _Group, cause: Cause, message: str) -> TrialOutcome:
    return TrialOutcome(
        status="failed",
        cause=cause,
        error=message,
        curve=tuple(ticket.points),
        seconds=(datetime.now(UTC) - ticket.started_at).total_seconds(),
        num_workers=group.size,
    )


def end_worker(worker: Any) -> None:
    """End the process of a worker, given its actor handle; its Train run starts it anew."""
    import ray

    ray.kill(worker, no_restart=True)
