"""What a person sees while a study runs: plain lines, or nothing. `orchestrator.live` draws on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol
from typing import TextIO

from orchestrator.durations import duration
from orchestrator.queue import TrialQueue
from orchestrator.records import Record

Clock = Callable[[], float]


class Display(Protocol):
    """Told what happens; a context manager around the run, so that a terminal is left as it was."""

    def __enter__(self) -> Display: ...

    def __exit__(self, *error: object) -> None: ...

    def say(self, text: str) -> None:
        """Show one line that stays."""
        ...

    def preparing(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of a stage of preparation are done."""
        ...

    def start(self, queue: TrialQueue) -> None:
        """Show where the study stands before its first trial."""
        ...

    def finished(self, record: Record, queue: TrialQueue) -> None:
        """Show that a trial ended."""
        ...


class QuietDisplay:
    """Shows nothing."""

    def __enter__(self) -> QuietDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def say(self, text: str) -> None:
        """Show nothing."""

    def preparing(self, stage: str, done: int, total: int) -> None:
        """Show nothing."""

    def start(self, queue: TrialQueue) -> None:
        """Show nothing."""

    def finished(self, record: Record, queue: TrialQueue) -> None:
        """Show nothing."""


class PlainDisplay(QuietDisplay):
    """One line a finished trial, for logs and pipes."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic, *, doing: str = "prepare") -> None:
        """`doing`: what the stages before the trials belong to."""
        self._stream = stream
        self._doing = doing
        self._stages: set[tuple[str, bool]] = set()
        self._pace = Pace(clock)

    def __enter__(self) -> PlainDisplay:
        return self

    def say(self, text: str) -> None:
        """Write a line."""
        print(text, file=self._stream, flush=True)

    def preparing(self, stage: str, done: int, total: int) -> None:
        """Write a line when a stage begins and one when it is done."""
        key = (stage, done >= total)
        if key not in self._stages:
            self._stages.add(key)
            self.say(f"{self._doing}: {stage} {done}/{total}")

    def start(self, queue: TrialQueue) -> None:
        """Write what is owed."""
        self._pace.start()
        self.say(opening(queue))

    def finished(self, record: Record, queue: TrialQueue) -> None:
        """Write the trial, its target, and what is left."""
        self._pace.tick()
        owed = queue.owed()
        left = self._pace.left(owed)
        self.say(f"{describe(record, queue)}  [{owed} owed{f', about {duration(left)}' if left else ''}]")


class Pace:
    """How long the rest takes, at the mean pace of the trials that ended in this run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock()
        self._count = 0

    def start(self) -> None:
        """Start counting."""
        self._started, self._count = self._clock(), 0

    def tick(self) -> None:
        """Count a trial."""
        self._count += 1

    def left(self, owed: int) -> float | None:
        """Return the seconds that `owed` trials take; None before the first trial ended."""
        return owed * (self._clock() - self._started) / self._count if self._count else None


def opening(queue: TrialQueue) -> str:
    """Return one line on what is planned, recorded, taken from other studies, and owed."""
    owed, taken = queue.owed(), queue.num_taken
    done = sum(trial.id in queue.known for trial in queue.trials()) - taken
    borrowed = f", {taken} taken from other studies" if taken else ""
    return f"{queue.study.study}: {len(queue.cells)} cells, {done} trials recorded{borrowed}, {owed} owed"


def describe(record: Record, queue: TrialQueue) -> str:
    """Return one line on a trial that ended."""
    place = f"{record.cell} {record.phase}"
    place += f" {record.proposal}" if record.proposal is not None else ""
    metric = queue.study.target.metric
    value = record.metrics.get(metric)
    result = f"{metric} {value:.4f}" if value is not None else record.status
    if record.status == "failed":
        result = f"failed: {record.cause}"
    elif record.status == "stopped":
        result += f", stopped by {record.cause}"
    return f"{place} seed {record.seed}: {result} in {record.seconds:.1f} s"
