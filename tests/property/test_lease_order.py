"""However the reads and writes of several drivers fall between each other, no trial is held by two."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from orchestrator.leases import Leases
from orchestrator.owner import Owner

KEYS = ("a", "b", "c")


class Turns:
    """Lets one of several threads take one step at a time, as a seeded generator says."""

    def __init__(self, rng: random.Random, names: list[str], look: Callable[[], None]) -> None:
        self._rng = rng
        self._alive = sorted(names)
        self._waiting: set[str] = set()
        self._turn = ""
        self._changed = threading.Condition()
        self._look = look

    def step(self) -> None:
        """Wait for this thread's turn."""
        name = threading.current_thread().name
        with self._changed:
            self._look()
            self._waiting.add(name)
            self._choose()
            assert self._changed.wait_for(lambda: self._turn == name, timeout=20)
            self._turn = ""
            self._waiting.discard(name)

    def leave(self) -> None:
        """Take no further step."""
        with self._changed:
            self._look()
            self._alive.remove(threading.current_thread().name)
            self._choose()

    def _choose(self) -> None:
        if not self._turn and self._alive and self._waiting >= set(self._alive):
            self._turn = self._rng.choice(self._alive)
            self._changed.notify_all()


class MemoryFolder:
    """What leases need of a folder; every call is a step."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.step: Callable[[], None] = lambda: None

    def names(self, folder: str) -> list[str]:
        self.step()
        return sorted(self.files)

    def read(self, path: str) -> pa.Buffer | None:
        self.step()
        return pa.py_buffer(self.files[path]) if path in self.files else None

    def write(self, path: str, content: bytes, *, durable: bool = True) -> None:
        self.step()
        self.files[path] = content

    def remove(self, path: str) -> None:
        self.step()
        self.files.pop(path, None)


@given(
    st.integers(2, 3),
    st.lists(st.lists(st.sampled_from(KEYS), min_size=1, unique=True), min_size=6, max_size=6),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_no_key_is_ever_held_by_two_and_each_is_got_by_someone(count: int, wishes: list[list[str]], seed: int) -> None:
    folder: Any = MemoryFolder()
    rng = random.Random(seed)
    ids = [f"{rng.random()}" for _ in range(count)]
    owners = [Owner(id=name, host="elsewhere", boot="b", pid=1, started="1") for name in ids]
    drivers: list[Leases] = []
    clashes: list[str] = []

    def look() -> None:
        held = [key for driver in drivers for key in driver._lease.held]
        clashes.extend(key for key in set(held) if held.count(key) > 1)

    names = [str(number) for number in range(count)]
    turns = Turns(rng, names, look)
    for owner in owners:
        drivers.append(Leases(folder, owner, lambda trials: [], clock=lambda: 1000.0, sleep=lambda _: turns.step()))
    errors: list[BaseException] = []

    def drive(number: int) -> None:
        try:
            for wish in wishes[2 * number : 2 * number + 2]:
                drivers[number].claim(wish)
        except BaseException as error:
            errors.append(error)
        finally:
            turns.leave()

    folder.step = turns.step
    threads = [threading.Thread(target=drive, args=(n,), name=names[n], daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert errors == []
    assert clashes == []
    wanted = {key for wish in wishes[: 2 * count] for key in wish}
    assert wanted == {key for driver in drivers for key in driver._lease.held}
