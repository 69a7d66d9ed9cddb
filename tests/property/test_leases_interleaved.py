"""Two or three drivers, whose every read and write of the leases happens in any order: none has another's trial."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.orchestrator.storing.leases import SKEW
from ablative.orchestrator.storing.leases import Leases
from ablative.orchestrator.storing.owner import Owner

pytestmark = pytest.mark.slow

TRIALS = ("t1", "t2", "t3")
START = datetime(2026, 1, 1, tzinfo=UTC)
SKEW_S = int(SKEW.total_seconds())
CLAIM_STEPS = 12
"""More steps than a claim without rivals has."""
RUN_STEPS = 8
ENOUGH = 20_000
"""Steps within which every trial must be run, once drivers are let alone."""


class Killed(BaseException):
    """What ends a driver between two steps; no `except Exception` sees it."""


class Turns:
    """Lets one thread at a time go one step, so that a list of numbers says all about who did what when."""

    def __init__(self) -> None:
        self._go: dict[str, threading.Semaphore] = {}
        self._back = threading.Semaphore(0)
        self._threads: dict[str, threading.Thread] = {}
        self._killed: set[str] = set()
        self.errors: list[BaseException] = []

    def add(self, name: str, work: Callable[[], None]) -> None:
        """Start `work` up to its first step."""

        def run() -> None:
            try:
                self.step(name)
                work()
            except Killed:
                pass
            except BaseException as error:  # of a thread: the test looks at them all
                self.errors.append(error)
            finally:
                del self._go[name]
                self._back.release()

        self._go[name] = threading.Semaphore(0)
        self._threads[name] = threading.Thread(target=run, daemon=True)
        self._threads[name].start()
        self._back.acquire()

    def step(self, name: str) -> None:
        """Called by the thread itself before each step: give the turn back, and wait for the next."""
        if name in self._killed:
            raise Killed
        self._back.release()
        self._go[name].acquire()
        if name in self._killed:
            raise Killed

    def names(self) -> list[str]:
        """Those who still have steps to do."""
        return sorted(self._go)

    def give(self, name: str) -> None:
        """Let `name` do one step."""
        self._go[name].release()
        self._back.acquire()
        if self.errors:
            raise self.errors[0]

    def kill(self, name: str) -> None:
        """End `name` where it stands."""
        self._killed.add(name)
        self.give(name)

    def end(self) -> None:
        """Let no thread outlive the test."""
        for name in self.names():
            self.kill(name)


class Shelf:
    """The files of all drivers, with what object storage and disks do not promise left out."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}

    def change(self, path: str, content: bytes | None) -> None:
        """Put or remove a file, at one moment."""
        self.versions[path] = self.versions.get(path, 0) + 1
        if content is None:
            self.files.pop(path, None)
        else:
            self.files[path] = content


class SteppedFolder:
    """One driver's way to the shelf: a step before each read and write, and one inside each listing."""

    uri = "memory"

    def __init__(self, shelf: Shelf, step: Callable[[], None]) -> None:
        self._shelf = shelf
        self._step = step

    def names(self, folder: str) -> list[str]:
        """What was there at the start and was neither removed nor replaced since: a listing promises no more."""
        self._step()
        before = {path: self._shelf.versions[path] for path in self._shelf.files if path.startswith(folder)}
        self._step()
        return [path.rpartition("/")[2] for path, seen in before.items() if self._shelf.versions[path] == seen]

    def read(self, path: str) -> pa.Buffer | None:
        """The file as it is now."""
        self._step()
        content = self._shelf.files.get(path)
        return None if content is None else pa.py_buffer(content)

    def write(self, path: str, content: bytes, *, durable: bool = True) -> None:
        """Replace the file at one moment, then take a while to say so."""
        self._step()
        self._shelf.change(path, content)
        self._step()

    def remove(self, path: str) -> None:
        """Remove the file, whatever it says by now."""
        self._step()
        self._shelf.change(path, None)


class Driver:
    """Claims trials, runs them, records them and lets them go, until all are recorded."""

    def __init__(self, world: World, name: str, skew: timedelta, order: tuple[str, ...]) -> None:
        self.name = name
        self._world = world
        self._skew = skew
        self._order = order
        self.running: set[str] = set()
        self.leases: Leases | None = None

    def work(self) -> None:
        """What a driver does; every step of it may be its last."""
        world = self._world
        leases = Leases(
            SteppedFolder(world.shelf, self._step),  # type: ignore[arg-type]
            "study",
            Owner(id=self.name, host="host", machine="machine", pid=1, started=self.name),
            clock=lambda: world.now + self._skew,
            ended=lambda owner: owner.started in world.killed,
            wait=lambda seconds: self._step(),
            renewed_every_s=3600.0,
        )
        with leases:
            self.leases = leases
            while missing := [trial for trial in self._order if trial not in world.recorded]:
                for trial in sorted(leases.claim(missing[:2])):
                    self._run(leases, trial)
                leases.renew()

    def _run(self, leases: Leases, trial: str) -> None:
        if trial not in self._world.recorded:  # looked up after the claim, as `Leases` says
            self.running.add(trial)
            for _ in range(RUN_STEPS):
                self._step()
            if leases.still_held(trial):
                self._world.record(trial)
            self.running.discard(trial)
        leases.release([trial])

    def _step(self) -> None:
        self._world.turns.step(self.name)


class World:
    """Drivers, their files, and the time."""

    def __init__(self, skews: list[int], orders: list[tuple[str, ...]], *, entered: bool = False) -> None:
        self.shelf = Shelf()
        self.turns = Turns()
        self.now = START
        self.recorded: dict[str, int] = {}
        self.killed: set[str] = set()
        self.drivers = {
            f"d{i}": Driver(self, f"d{i}", timedelta(seconds=skew), order)
            for i, (skew, order) in enumerate(zip(skews, orders, strict=True))
        }
        for name, driver in self.drivers.items():
            self.turns.add(name, driver.work)
        while entered and any(driver.leases is None for driver in self.drivers.values()):
            self.turns.give(next(name for name, driver in self.drivers.items() if driver.leases is None))

    def record(self, trial: str) -> None:
        """Note that a trial was recorded."""
        self.recorded[trial] = self.recorded.get(trial, 0) + 1

    def give(self, name: str) -> None:
        """One step of one driver, after which nobody may have another's trial."""
        self.turns.give(name)
        self.check()

    def kill(self, name: str) -> None:
        """SIGKILL: the process is gone, its files stay."""
        self.killed.add(name)
        self.turns.kill(name)
        self.check()

    def check(self) -> None:
        """No trial is held by two drivers that live."""
        for trial in TRIALS:
            holders = [
                name
                for name, driver in self.drivers.items()
                if name not in self.killed and driver.leases is not None and driver.leases.still_held(trial)
            ]
            assert len(holders) <= 1, f"{trial} is held by {holders}"


skew = st.integers(-(SKEW_S // 2), SKEW_S // 2)
order = st.permutations(TRIALS).map(tuple)
drivers = st.lists(st.tuples(skew, order), min_size=2, max_size=3)
burst = st.tuples(st.integers(0, 2), st.integers(1, 30))
"""A driver, and how many steps it does before another one has its turn: few changes at any place find most."""
passing = st.one_of(st.integers(1, 100), st.integers(50, 80))
"""Seconds that pass while everybody stands still: a lease lasts 60."""


def _world(drivers: list[tuple[int, tuple[str, ...]]]) -> World:
    return World([skew for skew, _ in drivers], [order for _, order in drivers])


def _burst(world: World, driver: int, steps: int) -> None:
    name = f"d{driver % len(world.drivers)}"
    for _ in range(steps):
        if name in world.turns.names():
            world.give(name)


def _let_alone(world: World, rng: Any) -> None:
    for _ in range(ENOUGH):
        names = world.turns.names()
        if not names:
            break
        world.give(rng.choice(names))
    assert set(world.recorded) == set(TRIALS), "nobody gets on"


@pytest.mark.slow
@given(drivers, st.lists(burst, min_size=4, max_size=30), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_every_trial_is_run_once_whatever_the_order_of_steps(
    drivers: list[tuple[int, tuple[str, ...]]], bursts: list[tuple[int, int]], rng: Any
) -> None:
    world = _world(drivers)
    try:
        for driver, steps in bursts:
            _burst(world, driver, steps)
        _let_alone(world, rng)
    finally:
        world.turns.end()

    assert world.recorded == dict.fromkeys(TRIALS, 1)
    assert world.shelf.files == {}, "a driver that ended leaves nothing"


@given(
    drivers,
    st.lists(st.one_of(burst, burst, passing, st.just("kill")), max_size=30),
    st.randoms(use_true_random=False),
)
@settings(max_examples=250, deadline=None)
def test_no_trial_is_held_twice_though_drivers_die_and_sleep_past_their_leases(
    drivers: list[tuple[int, tuple[str, ...]]], events: list[tuple[int, int] | int | str], rng: Any
) -> None:
    world = _world(drivers)
    last = 0
    try:
        for event in events:
            if isinstance(event, tuple):
                last = event[0] % len(drivers)
                _burst(world, *event)
            elif isinstance(event, int):
                world.now += timedelta(seconds=event)
                world.check()
            elif f"d{last}" in world.turns.names() and len(world.turns.names()) > 1:
                world.kill(f"d{last}")
        _let_alone(world, rng)
    finally:
        world.turns.end()

    assert world.recorded == dict.fromkeys(TRIALS, 1)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["d0", "d1"])
def test_two_drivers_and_one_trial_in_every_order_with_three_changes(first: str) -> None:
    ends: set[str] = set()
    second = "d1" if first == "d0" else "d0"
    for lengths in itertools.product(range(CLAIM_STEPS), repeat=3):
        world = World([0, 0], [TRIALS[:1], TRIALS[:1]], entered=True)
        try:
            for name, steps in zip((first, second, first), lengths, strict=True):
                _burst(world, int(name[1]), steps)
            ends |= {name for name, driver in world.drivers.items() if driver.running}
        finally:
            world.turns.end()

    assert ends == {"d0", "d1"}, "each of them gets the trial in some order"
