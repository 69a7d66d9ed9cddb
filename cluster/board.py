"""The board: a small actor that passes trials to warm worker groups, and outcomes back.

It keeps no truth: a trial is forgotten once its outcome is collected. Everything runs in one event loop, so no method
needs a lock for its own consistency. A waiting call listens to a bell: a lane to its slots' news, a rank to its slot's
group, a slot without a group to `TURN`, and a call that shows a trial to the trial's end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections import deque
from collections.abc import Collection
from collections.abc import Coroutine
from datetime import UTC
from datetime import datetime
from typing import Any

from ablative.cluster.bells import Bells
from ablative.cluster.capacity import Shape
from ablative.cluster.placement import Premises
from ablative.cluster.placement import Seating
from ablative.cluster.tickets import Collected
from ablative.cluster.tickets import Group
from ablative.cluster.tickets import GroupReplaced
from ablative.cluster.tickets import Later
from ablative.cluster.tickets import News
from ablative.cluster.tickets import Order
from ablative.cluster.tickets import Ticket
from ablative.cluster.tickets import lost
from ablative.trainables.job import Cause
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome

PLACES = 10_000
"""Calls that may wait at once: those of 1,000 slots with eight ranks each fit. One costs the actor some 55 kB."""
OTHERS = 2_000
"""Further calls that an actor must admit beside the waiting ones, so that it always answers."""
LATER = Later(seconds=2.0)
TURN = "turn"
LANES = 2
"""Number of Tune trials. Each follows every second slot, so while one restarts, the other reports."""
ANY = Shape(workers=1, each=())
"""Trials and groups that need no further tracking."""


class Board:
    """Hands out trials to groups in order, and each group's trials to all its ranks in the same order."""

    def __init__(
        self,
        *,
        grace_s: float = 15.0,
        trials_per_group: int | None = None,
        memory_limit_mb: float | None = None,
        keep_points: bool = False,
        only: Shape | None = ANY,
        places: int = PLACES,
    ) -> None:
        """Starts nothing yet.

        `grace_s`: how long ranks may still work on a trial that another rank has failed, or that is past its time
        limit. `trials_per_group`, `memory_limit_mb`: when a group is replaced. `keep_points`: whether news has points.
        `only`: the shape of all trials, so that every slot has a group of it from the start; None if shapes differ.
        `places`: how many calls may wait at once; the others must call again.
        """
        self._grace_s = grace_s
        self._trials_per_group = trials_per_group
        self._memory_limit_mb = memory_limit_mb
        self._keep_points = keep_points
        self._seating = Seating(only)
        self._points: list[tuple[str, CurvePoint]] = []
        self._ended: list[str] = []
        self._trouble = ""
        self._news: Counter[int] = Counter()
        """Lane -> how often there was news of its slots."""
        self._bells = Bells(places)
        self._tickets: dict[str, Ticket] = {}
        self._queue: deque[str] = deque()
        self._groups: dict[int, Group] = {}
        self._timers: set[asyncio.Task[None]] = set()
        self._drained: frozenset[str] = frozenset()
        """Ray's names of the machines that are being drained."""
        self.closed = False
        self.taken: Counter[int] = Counter()
        """Slot -> number of trials that its groups have taken so far."""
        self.given_up: dict[int, str] = {}
        """Slot -> why it starts no more groups."""

    # the driver's side

    async def offer(self, *orders: Order) -> None:
        """Let the next free groups take the trials, in order. A trial that is already on the board stays as it is.

        Ray does not order the calls of an actor with an event loop, so a later call may come first.
        """
        now = datetime.now(UTC)
        for job, shape in orders:
            if job.trial_id not in self._tickets:
                self._tickets[job.trial_id] = Ticket(job=job, shape=shape, offered_at=now, started_at=now)
                self._queue.append(job.trial_id)
        self._rearrange()
        self._bells.ring(TURN)
        self._ring_groups()

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

    async def drain(self, nodes: Collection[str]) -> None:
        """End the groups with a worker on one of these machines; their trials save and continue elsewhere."""
        self._drained = frozenset(nodes)
        self._rearrange()
        self._bells.ring(TURN)
        self._ring_groups()

    async def resize(self, premises: Premises) -> None:
        """Note how many groups there may be, and on which machines."""
        self._seating.premises = premises
        self._rearrange()
        self._bells.ring(TURN)
        self._ring_groups()

    async def close(self) -> None:
        """End every idle worker and wake all waiting calls."""
        self.closed = True
        self._bells.ring_all()

    async def pids(self) -> dict[int, dict[int, int]]:
        """Return slot -> rank -> process id of the groups that are up."""
        return {slot: dict(group.pids) for slot, group in self._groups.items()}

    def shares(self) -> dict[str, float]:
        """Return the progress of each running trial."""
        running = {group.orders[-1] for group in self._groups.values() if group.busy}
        return {trial_id: self._tickets[trial_id].share for trial_id in running if trial_id in self._tickets}

    # Tune's side

    async def news_of(self, lane: int, seen: int) -> tuple[int, bool] | Later:
        """Wait until a lane had news more than `seen` times; return how often it had, and whether it was the last."""
        if not await self._bells.until(("lane", lane), lambda: self.closed or self._news[lane] > seen):
            return LATER
        return self._news[lane], self.closed

    # the slots' side

    async def turn(self, slot: int) -> Shape | None:
        """Wait until a slot without a group is to start one, and return its shape; None if no group starts any more.

        If all trials have the same shape, there is no wait.
        """
        self._seating.vacate(slot)
        if self._rearrange():
            self._ring_groups()
        self._bells.ring(TURN)
        while not await self._bells.until(TURN, lambda: self.closed or self._seating.start is not None):
            await asyncio.sleep(LATER.seconds)  # a slot asks inside the actor, so it occupies no call
        shape = None if self.closed else self._seating.occupy(slot)
        if self._rearrange():
            self._ring_groups()
        self._bells.ring(TURN)
        return shape

    async def made_room(self, slot: int) -> bool:
        """Return whether the slot's last group ended to make room for another."""
        return self._seating.is_leaving(slot)

    async def is_drained(self, slot: int) -> bool:
        """Return whether the slot's group has a worker on a machine that is being drained."""
        return slot in self._groups and self._is_on_drained(self._groups[slot])

    async def give_up(self, slot: int, reason: str) -> None:
        """Note that a slot starts no more groups."""
        self.given_up[slot] = reason
        self._seating.give_up(slot)
        self._rearrange()
        self._bells.ring(TURN)
        self._ring_groups()

    def take_up(self, slot: int) -> None:
        """Note that a slot may start groups, even if it was given up."""
        self.given_up.pop(slot, None)
        self._seating.take_up(slot)

    # the groups' side

    async def join(
        self,
        slot: int,
        token: str,
        *,
        size: int,
        rank: int,
        pid: int,
        node: str = "",
        worker: Any = None,
    ) -> None:
        """Announce a worker. The first worker of a new group ends the trial of the slot's earlier group."""
        if slot not in self._groups or self._groups[slot].token != token:
            await self.lose(slot, "worker_lost", "its worker group was replaced")
            self._groups[slot] = Group(token=token, shape=self._seating.shape_of(slot), size=size)
        self._groups[slot].pids[rank] = pid
        self._groups[slot].nodes.add(node)
        if worker is not None:
            self._groups[slot].workers.append(worker)
        self._bells.ring(("group", slot))

    async def take(self, slot: int, token: str, index: int) -> TrialJob | Later | None:
        """Wait for the group's trial number `index`; None if the group gets no more.

        Raises GroupReplaced if the slot has another group by now.
        """
        if not await self._bells.until(("group", slot), lambda: self._can_answer(slot, token, index)):
            return LATER
        if self.closed:
            return None
        group = self._group(slot, token)
        if index == len(group.orders):
            if self._is_leaving(slot):
                return None
            self._assign(slot, group)
            self._bells.ring(("group", slot))
            if self._rearrange():
                self._bells.ring(TURN)
                self._ring_groups()
        return self._tickets[group.orders[index]].job

    async def report(self, trial_id: str, point: CurvePoint) -> None:
        """Add a point to a running trial's curve; ignored once it has ended, as calls may overtake each other."""
        ticket = self._tickets.get(trial_id)
        if ticket is not None and ticket.outcome is None:
            ticket.points.append(point)
            if self._keep_points:
                self._points.append((trial_id, point))
                self._tell(ticket)

    async def running(self, trial_id: str) -> None:
        """Wait until a trial has ended. The call has the trial's name, so Ray's dashboard shows it."""

        def has_ended() -> bool:
            ticket = self._tickets.get(trial_id)
            return self.closed or ticket is None or ticket.outcome is not None

        await self._bells.until(("trial", trial_id), has_ended)

    async def reached(self, trial_id: str, share: float) -> None:
        """Note the progress of a running trial; ignored once it has ended."""
        if trial_id in self._tickets:
            self._tickets[trial_id].share = share

    async def is_cancelled(self, trial_id: str, token: str) -> bool:
        """Return whether a group is to stop its trial, as it also must if the trial belongs to another group."""
        ticket = self._tickets.get(trial_id)
        return ticket is None or ticket.cancelled or ticket.group != token

    async def complain(self, trouble: str) -> None:
        """Note why the run cannot continue."""
        self._trouble = self._trouble or trouble
        for lane in range(LANES):
            self._tell_lane(lane)

    async def settle(self, slot: int, token: str, rank: int, outcome: TrialOutcome, memory_mb: float = 0.0) -> None:
        """Hand in one rank's outcome, and its resident memory after the trial.

        The trial ends when all ranks have
        ended.

        If one rank failed and the others do not return within the grace period, the trial and its group end too,
        because the others wait for a rank that has left.
        """
        group = self._group(slot, token)
        ticket = self._tickets[group.orders[-1]]
        ticket.settled[rank] = outcome
        group.memory_mb = max(group.memory_mb, memory_mb)
        if len(ticket.settled) == group.size:
            self._conclude(slot, group, ticket)
        elif outcome.status == "failed":
            self._later(self._conclude_later(slot, group, ticket))

    async def lose(self, slot: int, cause: Cause, message: str) -> None:
        """Record that the slot's group is gone; its running trial ends with `cause`."""
        group = self._groups.pop(slot, None)
        if group is None:
            return
        for ticket in self._tickets.values():
            if ticket.group == group.token and ticket.outcome is None:
                self._end(ticket, lost(ticket, group, cause, message))
        self._bells.ring(("group", slot))
        if self._rearrange():
            self._ring_groups()
        self._bells.ring(TURN)

    def _ring_groups(self) -> None:
        for slot in self._groups:
            self._bells.ring(("group", slot))

    def _tell(self, ticket: Ticket) -> None:
        """Wake the lane of the ticket's slot."""
        if ticket.slot is not None:
            self._tell_lane(ticket.slot % LANES)

    def _tell_lane(self, lane: int) -> None:
        self._news[lane] += 1
        self._bells.ring(("lane", lane))

    def _end(self, ticket: Ticket, outcome: TrialOutcome) -> None:
        if ticket.outcome is not None:  # a group that is gone may have ended it
            return
        ticket.outcome = outcome
        self._ended.append(ticket.job.trial_id)
        self._bells.ring(("trial", ticket.job.trial_id))
        self._tell(ticket)

    def _collected(self, trial_id: str, ticket: Ticket) -> Collected:
        assert ticket.outcome is not None
        return Collected(
            trial_id=trial_id,
            outcome=ticket.outcome,
            started_at=ticket.started_at,
            queued_seconds=(ticket.started_at - ticket.offered_at).total_seconds(),
        )

    def _group(self, slot: int, token: str) -> Group:
        group = self._groups.get(slot)
        if group is None or group.token != token:
            raise GroupReplaced(f"slot {slot} has another worker group by now")
        return group

    def _can_answer(self, slot: int, token: str, index: int) -> bool:
        group = self._groups.get(slot)
        if self.closed or group is None or group.token != token:
            return True
        if index < len(group.orders):
            return True
        return not group.busy and (self._is_leaving(slot) or self._next_for(group) is not None)

    def _is_leaving(self, slot: int) -> bool:
        group = self._groups[slot]
        return group.closing or self._seating.is_leaving(slot) or self._is_on_drained(group)

    def _is_on_drained(self, group: Group) -> bool:
        return not self._drained.isdisjoint(group.nodes)

    def _next_for(self, group: Group) -> str | None:
        """Return the oldest waiting trial of the group's shape."""
        return next((trial_id for trial_id in self._queue if self._tickets[trial_id].shape == group.shape), None)

    def _rearrange(self) -> bool:
        """Decide which groups there should be, before awaiting anything; return whether that changed."""
        waiting = [self._tickets[trial_id].shape for trial_id in self._queue]
        busy = {slot for slot, group in self._groups.items() if group.busy}
        worn = {slot for slot in self._groups if self._is_leaving(slot)}
        return self._seating.rearrange(waiting, busy, worn)

    def _assign(self, slot: int, group: Group) -> None:
        trial_id = self._next_for(group)
        assert trial_id is not None
        self._queue.remove(trial_id)
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

    async def _conclude_later(self, slot: int, group: Group, ticket: Ticket) -> None:
        await asyncio.sleep(self._grace_s)
        if ticket.outcome is None:
            self._conclude(slot, group, ticket)

    async def _end_hung(self, slot: int, group: Group, ticket: Ticket, limit_s: float) -> None:
        """End a trial that has not ended by its time limit, together with its group."""
        await asyncio.sleep(1.1 * limit_s + self._grace_s)
        if ticket.outcome is not None or self._groups.get(slot) is not group:
            return
        message = f"it ran past its time limit of {limit_s:g} s and was stopped with its worker group"
        await self.lose(slot, "time_limit", message)
        for worker in group.workers:
            end_worker(worker)

    def _conclude(self, slot: int, group: Group, ticket: Ticket) -> None:
        failures = [outcome for outcome in ticket.settled.values() if outcome.status == "failed"]
        agreed = len(ticket.settled) == group.size and len({o.cause for o in ticket.settled.values()}) == 1
        # The first failure is the reason; later ones are often only its echo in other ranks.
        outcome = failures[0] if failures and not agreed else ticket.settled[0]
        group.busy, group.closing = False, group.closing or self._is_worn(group, outcome)
        if not agreed and self._groups.get(slot) is group:
            del self._groups[slot]  # its ranks are out of step
        self._end(ticket, outcome)
        self._bells.ring(("group", slot))
        self._bells.ring(TURN)
        if self._rearrange():
            self._ring_groups()

    def _is_worn(self, group: Group, outcome: TrialOutcome) -> bool:
        """Return whether the group's next trial should get new processes."""
        limit = self._memory_limit_mb
        return (
            outcome.cause == "out_of_memory"
            or (self._trials_per_group is not None and len(group.orders) >= self._trials_per_group)
            or (limit is not None and group.memory_mb > limit)
        )


def end_worker(worker: Any) -> None:
    """End the process of a worker, given its actor handle; its Train run restarts it."""
    import ray

    ray.kill(worker, no_restart=True)
