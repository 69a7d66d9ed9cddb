"""Warm worker groups: each slot is one long-lived Ray Train run whose workers take trials one after another.

Processes, imports, data and teacher features stay from trial to trial. Trials and outcomes pass through the board, not
through `ray.train.report`, which is a barrier. Ray Train restarts a group that lost a worker.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Coroutine
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from typing import TypeVar

import ray
from ray.util import placement_group_table
from ray.util import remove_placement_group

from ablative.cluster.board import OTHERS
from ablative.cluster.board import PLACES
from ablative.cluster.board import Board
from ablative.cluster.capacity import Shape
from ablative.cluster.capacity import capacity
from ablative.cluster.capacity import fitting
from ablative.cluster.capacity import require
from ablative.cluster.capacity import with_growth
from ablative.cluster.failures import cause_of_run
from ablative.cluster.failures import is_for_want_of_room
from ablative.cluster.failures import said
from ablative.cluster.metrics import SlotCounts
from ablative.cluster.placement import Premises
from ablative.cluster.session import drained
from ablative.cluster.session import lasting
from ablative.cluster.session import machines
from ablative.cluster.session import members
from ablative.cluster.tickets import Order
from ablative.cluster.train_run import train
from ablative.cluster.waiting import PATIENCE_S
from ablative.cluster.waiting import has_room
from ablative.cluster.waiting import short_of
from ablative.orchestrator.errors import ClusterError
from ablative.search_spaces.study import Resources
from ablative.trainables.job import Cause
from ablative.trainables.job import RunTrial
from ablative.trainables.published import Listed

HEAD_SHARE = {"node:__internal_head__": 0.001}
"""Where the small actors run: beside the driver, without a CPU of their own, because worker groups may hold all CPUs.
"""
CHECK_S = 1.0
GONE_S = 40.0
"""How long a lost machine at most still counts as there (`cluster/ssh.yaml`: some half a minute)."""
Answer = TypeVar("Answer")


class WorkerGroups:
    """A pool of warm groups, one a slot. A context: groups start in the background, and all end with it."""

    def __init__(
        self,
        *,
        shapes: Sequence[Shape],
        resources: Resources,
        owed: Callable[[], int],
        scratch: str,
        run_trial: RunTrial,
        study: str = "",
        cache: tuple[Path, str] | Listed | None = None,
        absent: Callable[[Sequence[Any]], Sequence[str]] | None = None,
        private: bool = False,
        keep_points: bool = False,
    ) -> None:
        """Neither blocks nor starts a group. Raises ClusterError if the cluster can never hold a group of some shape.

        `shapes`: known shapes of the study's trials. `owed`: returns how many trials are still to run. `scratch`:
        absolute path of a folder for Ray Train's files. `private`: whether the cluster ends with this session anyway.
        `study`: its name, for Ray's dashboard. `cache`: which cache workers must find and where, or what they fetch of
        it; `absent`: lists a trial's missing data (both: `same_cache`). `keep_points`: whether the driver gets the
        curves of running trials. `run_trial`: picklable.
        """
        self._machines, self._members = machines(), members()
        require(shapes, *self._machines)
        host = ray.remote(num_cpus=0, resources=HEAD_SHARE, max_concurrency=PLACES + OTHERS)(GroupHost)
        self.board = host.remote(
            trials_per_group=resources.trials_per_group,
            memory_limit_mb=resources.memory_limit_mb,
            keep_points=keep_points,
            only=None if resources.where else shapes[0],
            study=study,
        )
        self._settings = {
            "board": self.board,
            "folder": os.getcwd(),
            "run_trial": run_trial,
            "cache": cache,
            "absent": absent,
            "study": study,
        }
        self._shapes = list(shapes)
        self._most = resources.max_concurrent
        self._owed = owed
        self._scratch = scratch
        self._private = private
        self._checked_at = 0.0
        self.waits_for = ""
        """Which groups wait for room, as a clause; empty if none does."""
        self.shares: Mapping[str, float] = {}
        """Running trial -> its progress."""
        self._failed: Mapping[int, str] = {}
        self._drained: set[str] = set()
        self._space = self._room()
        self.slots = min(self._space, max(1, owed()))

    def __enter__(self) -> WorkerGroups:
        self._started = self._start(range(self.slots))
        return self

    def __exit__(self, *_: object) -> None:
        if self._private:
            return  # the session that ends next takes everything with it
        with suppress(ray.exceptions.RayError):  # if the cluster is gone there is nothing to end
            reservations = ray.get(self.board.reservations.remote(), timeout=5)
            ray.kill(self.board)  # every process of a slot is this actor's and ends with it
            for reservation in reservations:  # these do not: Ray keeps them until the driver leaves (ray#54305)
                remove_placement_group(reservation)

    def offer(self, orders: Sequence[Order]) -> None:
        """Let groups take the trials, in this order. Raises ClusterError if the cluster can never hold a group."""
        for _, shape in orders:
            if shape not in self._shapes:  # of a cell that was decided during the run
                require([shape], *self._machines)
                self._shapes.append(shape)
                self._space = self._room()
        if orders:
            self.board.offer.remote(*orders)

    def check(self) -> SlotCounts | None:
        """Raise ClusterError if no group is left that could take a trial; use resources that the cluster has gained.

        Return the state of the slots; None if it was checked moments ago.
        """
        if time.monotonic() - self._checked_at < CHECK_S:
            return None
        self._checked_at = time.monotonic()
        ray.get(self._started)
        if not self._private:
            self._follow()
        standing = ray.get(self.board.standing.remote())
        for slot in standing.failures.keys() - self._failed.keys():
            print(f"worker group {slot} was given up: {standing.failures[slot]}", file=sys.stderr)
        self._failed = standing.failures
        if len(self._failed) == self.slots:
            raise ClusterError(f"no worker group stays up; slot 0 ended with: {self._failed[0]}")
        self.waits_for = "" if self._private else self._short_of(standing)
        self.shares = standing.shares
        return SlotCounts(
            busy=standing.busy,
            idle=standing.up - standing.busy,
            starting=max(0, standing.begun - standing.up),
            held_s=standing.held_s,
        )

    def _short_of(self, standing: Standing) -> str:
        """Return why groups are not up yet: some wait for a place, the others' processes are starting."""
        homeless = min(len(standing.late), standing.begun - _num_placed()) if standing.late else 0
        if homeless < 1:
            return ""
        shape, free = next(iter(standing.late.values())), ray.available_resources()
        if has_room(shape, free):  # Ray is about to give it out
            return ""
        needed = short_of(shape, self._machines[0], free)
        groups = f"worker group{'' if self.slots == 1 else 's'} wait{'s' if homeless == 1 else ''}"
        return f"{homeless} of {self.slots} {groups} for {needed}"

    def _follow(self) -> None:
        """Adapt to machines that joined or left, and to trials that were added."""
        before, self._machines = self._machines, machines()
        earlier, self._members = self._members, members()
        for node in earlier.keys() - self._members.keys():
            print(f"machine {earlier[node]} was lost; its trials run again", file=sys.stderr)
        if (taken := drained()) - self._drained:
            for node in taken - self._drained:
                told = f"machine {self._members.get(node, node)} is about to be taken away"
                print(f"{told}; its trials save and go on elsewhere", file=sys.stderr)
            self._drained = taken
            self.board.drain.remote(taken)
        if before != self._machines:
            self._space = self._room()
        slots = self.slots
        if self._space > slots:
            self.slots = max(slots, min(self._space, self._owed()))
        again = sorted(self._failed) if self._members.keys() - earlier.keys() else []
        if before != self._machines or self.slots > slots:
            self._started = self._start([*again, *range(slots, self.slots)])

    def _room(self) -> int:
        """Return how many groups the cluster and the study allow at once."""
        slots = capacity(self._shapes, *self._machines)
        return slots if self._most == "auto" else min(slots, self._most)

    def _start(self, slots: Sequence[int]) -> Any:
        premises = Premises(slots=self.slots, nodes=with_growth(*self._machines))
        return self.board.start.remote(slots, self._settings, premises, self._scratch)

    def held(self) -> float:
        """Return the device seconds of all groups so far, from when a slot began to start one."""
        return float(ray.get(self.board.held.remote()))

    def send_home(self, patience_s: float) -> None:
        """Wait for the groups to end by themselves, so that they leave nothing behind on a shared cluster."""
        ray.get(self.board.finish.remote(patience_s, only_up=bool(self.waits_for)))


def _num_placed() -> int:
    """Return how many groups of this driver have been placed. Ray's id of a placement group ends with its job's id."""
    job = ray.get_runtime_context().get_job_id()
    mine = [group for identity, group in placement_group_table().items() if identity.endswith(job)]
    return sum(
        group["state"] == "CREATED"
        and not any(HEAD_SHARE.keys() & bundle.keys() for bundle in group["bundles"].values())
        for group in mine
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of the slots."""

    failures: Mapping[int, str]
    """Slot that was given up -> why."""
    begun: int
    """How many have a group, or have begun to start one."""
    late: Mapping[int, Shape]
    """Slot that has waited a while for its group -> the resources it needs."""
    up: int
    """How many have a group."""
    busy: int
    """How many of these have a trial."""
    held_s: float
    """Device seconds of all groups so far."""
    shares: Mapping[str, float]
    """Running trial -> its progress."""


class GroupHost(Board):
    """An actor that holds the board, and one thread for each slot that keeps a Ray Train run going.

    A trainer's `fit` blocks, imports torch if workers meet, and must not outlive its Ray session. So it runs here, not
    in the driver. Ray Train's controllers are in these threads. Killing this actor ends every run and its workers at
    once.
    """

    def __init__(self, study: str = "", **options: Any) -> None:
        """`options`: those of the board."""
        super().__init__(**options)
        self._study = study
        self._over = False
        self._reserved: defaultdict[int, list[Any]] = defaultdict(list)
        """Slot -> Ray's placement groups of its present Train run."""
        self._threads: dict[int, threading.Thread] = {}
        self._up: dict[int, tuple[float, Shape]] = {}
        """Slot -> when it began to start its group, and the group's resources."""
        self._placing = threading.Lock()
        self._waiting: dict[int, float] = {}
        """Slot without a group -> since when."""
        self._held: defaultdict[int, float] = defaultdict(float)
        """Slot -> device seconds of its earlier groups; each slot's thread counts its own."""

    def __repr__(self) -> str:
        """As Ray's dashboard shows the actor."""
        return f"board of {self._study}"

    async def start(self, slots: Sequence[int], settings: dict[str, Any], premises: Premises, scratch: str) -> None:
        """Start the groups of these slots in the background, even of slots that were given up.

        `premises` are the same for all slots.
        """
        for slot in slots:
            self.take_up(slot)
        await self.resize(premises)
        loop = asyncio.get_running_loop()
        for slot in slots:
            arguments = (loop, {**settings, "slot": slot}, scratch)
            thread = threading.Thread(target=self._keep, args=arguments, daemon=True)
            thread.start()
            self._threads[slot] = thread

    async def resize(self, premises: Premises) -> None:
        """Take note of the machines there are; groups that could be wider by now end after their trials."""
        await super().resize(premises)
        for slot, group in self._groups.items():
            if slot in self._up and group.size < group.shape.workers and group.orders:
                group.closing |= self._fitting(slot, group.shape).workers > group.size
        self._ring_groups()

    def _await_other(self, nodes: list[dict[str, float]]) -> None:
        """Wait until the machines are no longer these, for as long as a lost one may count as there."""
        until = time.monotonic() + GONE_S
        while lasting() == nodes and time.monotonic() < until and not self.closed:
            time.sleep(CHECK_S)

    def _fitting(self, slot: int, asked: Shape) -> Shape:
        """Return how many workers the slot's group may have, beside the other slots' groups."""
        if not asked.fewer:
            return asked
        others = [shape for other, (_, shape) in list(self._up.items()) if other != slot]
        return fitting(asked, lasting(), others)

    async def standing(self) -> Standing:
        """Return the state of the slots."""
        now, up = time.monotonic(), {slot: shape for slot, (_, shape) in list(self._up.items())}
        for slot in up:
            if slot in self._groups:
                self._waiting.pop(slot, None)
            else:
                self._waiting.setdefault(slot, now)
        late = {slot: up[slot] for slot, since in self._waiting.items() if slot in up and since < now - PATIENCE_S}
        return Standing(
            failures=dict(self.given_up),
            begun=len(up),
            late=late,
            up=len(self._groups),
            busy=sum(group.busy for group in self._groups.values()),
            held_s=await self.held(),
            shares=self.shares(),
        )

    async def held(self) -> float:
        """Return the device seconds of all groups so far."""
        now = time.monotonic()
        return sum(self._held.copy().values()) + sum(
            (now - began) * shape.workers for began, shape in list(self._up.values())
        )

    async def finish(self, patience_s: float, *, only_up: bool = False) -> None:
        """Close the board and wait until all groups have ended, at most `patience_s`.

        `only_up`: do not wait for groups that are not up yet, which may never find room. Ray would keep the
        reservation of groups that come up later.
        """
        ending = [self._threads[slot] for slot in (self._groups if only_up else self._threads)]
        await self.close()
        until = time.monotonic() + patience_s
        while time.monotonic() < until and any(thread.is_alive() for thread in ending):
            await asyncio.sleep(0.05)

    async def reservations(self) -> list[Any]:
        """Return the placement groups that all slots hold; from now on they get no others."""
        self._over = True
        return [reservation for of_slot in self._reserved.values() for reservation in of_slot]

    def _reserve(self, slot: int, reservation: Any) -> None:
        """Note a placement group that a slot's Train run has asked for."""
        self._reserved[slot].append(reservation)
        if self._over:
            remove_placement_group(reservation)

    def _keep(self, loop: asyncio.AbstractEventLoop, settings: dict[str, Any], scratch: str) -> None:
        """Keep a Ray Train run going in one slot, as long as each run reaches a trial or makes room for another group.

        A run that found no free resources, or lost its machines, is not the slot's fault: the slot waits for others.
        """

        def ask(call: Coroutine[Any, Any, Answer]) -> Answer:
            return asyncio.run_coroutine_threadsafe(call, loop).result()

        slot = settings["slot"]
        narrower: Shape | None = None
        lost: list[dict[str, float]] | None = None
        while (asked := ask(self.turn(slot))) is not None:
            before, excused = self.taken[slot], False
            cause: Cause = "worker_lost"
            reason = "its workers ended by themselves"
            if lost is not None:
                self._await_other(lost)
            nodes, lost = lasting() if asked.fewer else None, None
            with self._placing:
                shape = self._fitting(slot, narrower or asked)
                self._up[slot] = (time.monotonic(), shape)
            try:
                train(settings, shape, scratch, partial(self._reserve, slot))
            except Exception as error:  # the slot's boundary: whatever ended the run is kept for the driver
                cause, reason = cause_of_run(error), said(error)
                excused = cause == "preempted" or is_for_want_of_room(error)
                lost = nodes if shape.fewer and not excused and self.taken[slot] > before else None
            for reservation in self._reserved.pop(slot, ()):  # no effect on workers that are gone
                with suppress(ray.exceptions.RayError):
                    remove_placement_group(reservation)
            excused = excused or ask(self.is_drained(slot))
            began, _ = self._up.pop(slot)
            self._held[slot] += (time.monotonic() - began) * shape.workers
            ask(self.lose(slot, cause, reason))
            came_to_nothing = self.taken[slot] == before
            # What did not come up may do so with fewer workers: its machine may be lost and not known to be.
            narrower = shape.widths[1] if came_to_nothing and shape.fewer else None
            if came_to_nothing and not excused and narrower is None and not ask(self.made_room(slot)):
                ask(self.give_up(slot, reason))
                return
