"""The present stage of a run, its progress and the time left; a pure object that only reads a clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from ablative.orchestrator.durations import duration

Clock = Callable[[], float]
"""Gives seconds."""


class Activity:
    """One stage after another; some tell how far they are, some do not."""

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
        """Take that `done` of `total` steps of a stage are done; return whether the stage begins or ends with it.

        What is done again after it was done, or falls back, is another stage of the same name. The total may grow; it
        is 0 for what only waits.
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
        """What goes on; empty before anything began."""
        return self._name

    def line(self) -> str:
        """Return name, count and note; empty before anything began."""
        told = f"{self._name} {self._done}/{self._total}" if self._total else self._name
        return ", ".join(filter(None, (told, self.note()))) if told else ""

    def note(self) -> str:
        """Return share, rate and time left as far as they are known, else the time so far; empty at the start."""
        seconds = self._clock() - self._began
        if seconds < 1:
            return ""
        if self._total and self._done >= self._total:
            return f"done in {duration(self._ended - self._began)}"
        rate = (self._done - self._first) / seconds if self._total else 0.0
        if not rate:
            return f"{duration(seconds)} so far"
        left = duration((self._total - self._done) / rate)
        return f"{100 * self._done / self._total:.0f} %, {_rate(rate)}, about {left} left"

    def silence(self) -> str:
        """Return `line`, or after a stage has ended how long nothing was heard of the next one."""
        if self._total and self._done >= self._total:
            return f"what follows {self._name}, {duration(self._clock() - self._ended)} so far"
        return self.line()


class Pace:
    """How long the rest takes, at the pace of the trials that ended in this run.

    A slot's first trial waits for processes to start and for data to be opened: nothing is said before each slot has
    ended one, and from the second round on the first one no longer counts.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.start()

    def start(self) -> None:
        """Start counting."""
        self._began = self._clock()
        self._ends: list[float] = []
        self._first: tuple[float, float] | None = None
        """When running trials were first seen to have done something, and how much that was."""
        self._slots = 1

    def tick(self, seconds: float, running: int) -> None:
        """Count a trial that has taken so many seconds, while so many others are under way."""
        now = self._clock()
        if not self._ends or now - seconds < self._began:
            self._began = now - seconds
        self._ends.append(now)
        self._slots = max(self._slots, running + 1)

    def left(self, owed: int, done: float = 0.0) -> float | None:
        """Return the seconds that `owed` trials still take, `done` of which are behind them; None while unknown.

        Before each slot has ended a trial, what the running ones have done since the first time it was asked says it.
        """
        ended = len(self._ends)
        if ended < self._slots:
            return None if ended else self._at_first(owed, done)
        is_second = ended >= 2 * self._slots
        since, counted = (self._ends[self._slots - 1], ended - self._slots) if is_second else (self._began, ended)
        pace = (self._ends[-1] - since) / counted
        return max(0.0, owed * pace - (self._clock() - self._ends[-1]))

    def _at_first(self, owed: int, done: float) -> float | None:
        """Return the same before any trial has ended."""
        now = self._clock()
        if not done:
            return None
        if self._first is None:
            self._first = (now, done)
        since, before = self._first
        return (owed - done) * (now - since) / (done - before) if done > before and now > since else None

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
