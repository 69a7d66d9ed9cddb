"""The present stage of a run, its progress and the time left; a pure object that only reads a clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ablative.orchestrator.durations import duration

Clock = Callable[[], float]
"""Gives seconds."""

OtherWork = Callable[[], float | None]
"""Gives the seconds that other work on the trials' cores still takes: 0 where there is none, None while unknown."""


def no_other_work() -> float:
    """Return that the trials have their cores to themselves."""
    return 0.0


class Activity:
    """One stage after another; some report their progress, some do not."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._name = ""
        self._began = self._ended = clock()
        self._first = self._done = self._total = 0

    @property
    def is_stage(self) -> bool:
        """Whether the stage reports its progress."""
        return self._total > 0

    def begin(self, name: str) -> None:
        """Begin a stage that cannot report its progress."""
        self._name, self._began, self._total = name, self._clock(), 0

    def reach(self, stage: str, done: int, total: int) -> bool:
        """Note that `done` of `total` steps of a stage are done; return whether the stage begins or ends with that.

        A stage that starts again, or falls back, counts as another stage of the same name. The total may grow; it is 0
        for a stage that only waits.
        """
        was_done = self._total > 0 and self._done >= self._total
        begins = stage != self._name or done < self._done or (was_done and done < total)
        if begins:
            self._name, self._began, self._first = stage, self._clock(), done
        ends = 0 < total <= done and (begins or not was_done)
        if ends:
            self._ended = self._clock()
        self._done, self._total = done, total
        return begins or ends

    @property
    def name(self) -> str:
        """The present stage; empty before the first one."""
        return self._name

    def line(self) -> str:
        """Return name, count and note; empty before the first stage."""
        told = f"{self._name} {self._done}/{self._total}" if self._total else self._name
        return ", ".join(filter(None, (told, self.note()))) if told else ""

    def note(self) -> str:
        """Return share, rate and time left if known, else the time so far; empty at the start."""
        seconds = self._clock() - self._began
        if seconds < 1:
            return ""
        if self._total and self._done >= self._total:
            return f"done in {duration(self._ended - self._began)}"
        rate, left = self._gained(seconds), self.left()
        if left is None:
            return f"{duration(seconds)} so far"
        return f"{100 * self._done / self._total:.0f} %, {_rate(rate)}, about {duration(left)} left"

    def left(self) -> float | None:
        """Return the seconds that the stage still takes; None while unknown."""
        seconds = self._clock() - self._began
        rate = self._gained(seconds) if seconds > 0 else 0.0
        return (self._total - self._done) / rate if rate else None

    def _gained(self, seconds: float) -> float:
        return (self._done - self._first) / seconds if self._total else 0.0

    def silence(self) -> str:
        """Return `line`; or, after a stage has ended, how long the next one has been silent."""
        if self._total and self._done >= self._total:
            return f"what follows {self._name}, {duration(self._clock() - self._ended)} so far"
        return self.line()


class Pace:
    """The time left, at the pace of the trials that ended in this run.

    A slot's first trial waits for processes to start and data to be opened. So there is no estimate before each slot
    has ended a trial, and from the second round on the first trials no longer count. Trials beside other work are
    slower than those after it, so time beside it counts only as the share of their cores that they have then.
    """

    def __init__(
        self, clock: Clock = time.monotonic, other_work: OtherWork = no_other_work, *, cores: int | None = None
    ) -> None:
        """`other_work`: has a thread on each of the `cores` (of this machine, by default), as urgent as the trials."""
        self._clock = clock
        self._other_work = other_work
        self._cores = cores or os.cpu_count() or 1
        self.start()

    def start(self) -> None:
        """Start counting."""
        self._started = self._began = self._clock()
        self._ends: list[float] = []
        self._first: tuple[float, float] | None = None
        """When running trials first reported progress, and how much."""
        self._slots = 1
        self._alone_since: float | None = None
        """When the other work was first seen to be over."""
        self._look()

    def tick(self, seconds: float, running: int) -> None:
        """Count a trial that took `seconds`, with the number of trials still running."""
        self._look()
        now = self._clock()
        if not self._ends or now - seconds < self._began:
            self._began = now - seconds
        self._ends.append(now)
        self._slots = max(self._slots, running + 1)

    def left(self, owed: int, done: float = 0.0, running: int = 0) -> float | None:
        """Return the seconds left for `owed` trials, of which `done` (in trials) is finished; None while unknown.

        `running`: trials under way. Before each slot has ended a trial, the estimate rests on the progress of running
        trials since the first call.
        """
        self._slots = max(self._slots, running)
        beside = self._look()
        wanted = self._wanted(owed, done)
        if wanted is None:
            return None
        gained = self._share * beside
        return wanted / self._share if wanted < gained else beside + wanted - gained

    def _look(self) -> float:
        """Return the seconds that the other work still takes, and 0 while unknown; note when it is first seen over."""
        beside = 0.0 if self._alone_since is not None else self._other_work()
        if beside == 0.0 and self._alone_since is None:
            self._alone_since = self._clock()
        return beside or 0.0

    def _wanted(self, owed: int, done: float) -> float | None:
        """Return the seconds that the trials still take with their cores to themselves."""
        ended = len(self._ends)
        if ended < self._slots:
            return None if ended else self._at_first(owed, done)
        is_second = ended >= 2 * self._slots
        since, counted = (self._ends[self._slots - 1], ended - self._slots) if is_second else (self._began, ended)
        pace = self._between(since, self._ends[-1]) / counted
        return max(0.0, owed * pace - self._between(self._ends[-1], self._clock()))

    def _at_first(self, owed: int, done: float) -> float | None:
        """Return the same before any trial has ended."""
        now = self._clock()
        if not done:
            return None
        if self._first is None:
            self._first = (now, done)
        since, before = self._first
        return (owed - done) * self._between(since, now) / (done - before) if done > before and now > since else None

    @property
    def _share(self) -> float:
        """Of their cores, what the trials have beside the other work."""
        return self._cores / (self._cores + min(self._slots, self._cores))

    def _between(self, since: float, until: float) -> float:
        """Return the seconds between two times, those beside the other work as the share of them that trials had."""
        alone_since = until if self._alone_since is None else self._alone_since
        beside = max(0.0, min(until, alone_since) - max(since, self._started))
        return until - since - (1 - self._share) * beside

    @property
    def ended(self) -> int:
        """How many trials have ended."""
        return len(self._ends)

    @property
    def quiet(self) -> float:
        """Seconds since the last trial ended, or since the start."""
        return self._clock() - (self._ends[-1] if self._ends else self._began)


def _rate(rate: float) -> str:
    if rate >= 10:
        return f"{rate:.0f}/s"
    return f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"
