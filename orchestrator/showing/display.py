"""The progress that a command shows while it runs: plain lines, or nothing. `showing.live` draws on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import ExitStack
from contextlib import suppress
from typing import Any
from typing import Protocol
from typing import TextIO

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.durations import duration
from ablative.orchestrator.showing.activity import Activity
from ablative.orchestrator.showing.activity import Clock
from ablative.orchestrator.showing.activity import OtherWork
from ablative.orchestrator.showing.activity import Pace
from ablative.orchestrator.showing.activity import no_other_work
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.trials import Trial

EVERY_S = 10.0
"""Longest silence on a pipe."""
LOOKED_EVERY_S = 1.0


Waits = Callable[[], str]
"""Returns what a run waits for beside its trials, as a clause; empty if nothing."""


Reached = Callable[[], Mapping[str, float]]
"""Returns running trial id -> known progress."""


def nothing() -> str:
    """Wait for nothing."""
    return ""


def unknown() -> Mapping[str, float]:
    """Know no trial's progress."""
    return {}


class Display(Protocol):
    """Gets the events of a run. A context manager around the run, so that it can restore the terminal."""

    def __enter__(self) -> Display: ...

    def __exit__(self, *error: object) -> None: ...

    def say(self, text: str) -> None:
        """Show one line that stays."""
        ...

    def doing(self, what: str) -> None:
        """Show a stage that cannot report its progress."""
        ...

    def preparing(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of a stage of preparation are done."""
        ...

    def start(
        self,
        queue: TrialQueue,
        waits_for: Waits = nothing,
        reached: Reached = unknown,
        other_work: OtherWork = no_other_work,
    ) -> None:
        """Show where the study stands before its first trial; from then on also what it waits for, how far the
        running trials are, and how long other work still shares their cores."""
        ...

    def started(self, trial: Trial, *, resumed: bool) -> None:
        """Show that a trial was given to the workers; `resumed`: after it had paused at a rung."""
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

    def doing(self, what: str) -> None:
        """Show nothing."""

    def preparing(self, stage: str, done: int, total: int) -> None:
        """Show nothing."""

    def start(
        self,
        queue: TrialQueue,
        waits_for: Waits = nothing,
        reached: Reached = unknown,
        other_work: OtherWork = no_other_work,
    ) -> None:
        """Show nothing."""

    def started(self, trial: Trial, *, resumed: bool) -> None:
        """Show nothing."""

    def finished(self, record: Record, queue: TrialQueue) -> None:
        """Show nothing."""


class Displays:
    """Several displays as one; a `Display`."""

    def __init__(self, *displays: Display) -> None:
        self._displays = displays
        self._entered = ExitStack()

    def __enter__(self) -> Displays:
        for display in self._displays:
            self._entered.enter_context(display)
        return self

    def __exit__(self, *error: Any) -> None:
        self._entered.__exit__(*error)

    def say(self, text: str) -> None:
        """Let each show the line."""
        for display in self._displays:
            display.say(text)

    def doing(self, what: str) -> None:
        """Let each show it."""
        for display in self._displays:
            display.doing(what)

    def preparing(self, stage: str, done: int, total: int) -> None:
        """Let each show the stage."""
        for display in self._displays:
            display.preparing(stage, done, total)

    def start(
        self,
        queue: TrialQueue,
        waits_for: Waits = nothing,
        reached: Reached = unknown,
        other_work: OtherWork = no_other_work,
    ) -> None:
        """Let each show the state of the study."""
        for display in self._displays:
            display.start(queue, waits_for, reached, other_work)

    def started(self, trial: Trial, *, resumed: bool) -> None:
        """Let each show the trial."""
        for display in self._displays:
            display.started(trial, resumed=resumed)

    def finished(self, record: Record, queue: TrialQueue) -> None:
        """Let each show how the trial ended."""
        for display in self._displays:
            display.finished(record, queue)


class PlainDisplay(QuietDisplay):
    """Lines for logs and pipes: one for each finished trial, and at least one every `EVERY_S` seconds."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic, *, doing: str = "prepare") -> None:
        """`doing`: name for all stages before the trials."""
        self._stream = stream
        self._clock = clock
        self._doing = doing
        self._activity = Activity(clock)
        self._activity.begin("loading")
        self._trials: Trials | None = None
        self._said_at = clock()
        self._writing = threading.RLock()
        self._left = threading.Event()

    def __enter__(self) -> PlainDisplay:
        threading.Thread(target=self._beat_until_left, name="display", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()

    def say(self, text: str) -> None:
        """Write a line."""
        with self._writing:
            self._said_at = self._clock()
            print(text, file=self._stream, flush=True)

    def doing(self, what: str) -> None:
        """Write the stage once it has taken a while."""
        with self._writing:
            self._trials = None
            self._activity.begin(what)

    def preparing(self, stage: str, done: int, total: int) -> None:
        """Write a line when a stage begins, when it is done, and now and then between."""
        with self._writing:
            self._trials = None
            if self._activity.reach(stage, done, total) or self._is_due():
                self.say(f"{self._doing}: {self._activity.line()}")

    def start(
        self,
        queue: TrialQueue,
        waits_for: Waits = nothing,
        reached: Reached = unknown,
        other_work: OtherWork = no_other_work,
    ) -> None:
        """Write the number of owed trials."""
        with self._writing:
            self._trials = Trials(queue, self._clock, waits_for, reached, other_work)
            self.say(opening(queue))

    def finished(self, record: Record, queue: TrialQueue) -> None:
        """Write the trial, its target, and the trials left."""
        with self._writing:
            self._trials = self._trials or Trials(queue, self._clock)
            self._trials.ended(record)
            self.say(f"{describe(record, queue)}  [{self._trials.left()}]")

    def beat(self) -> None:
        """Write the present stage, if nothing was written for a while."""
        with self._writing:
            if not self._is_due():
                return
            stage = f"{self._doing}: " if self._activity.is_stage else ""
            if self._trials:
                self.say(self._trials.line())
            elif told := self._activity.silence():
                self.say(f"{stage}{told}")

    def _is_due(self) -> bool:
        return self._clock() - self._said_at >= EVERY_S - LOOKED_EVERY_S

    def _beat_until_left(self) -> None:
        while not self._left.wait(LOOKED_EVERY_S):
            with suppress(OSError, ValueError):  # a failed write in this thread must not end the run
                self.beat()


class Trials:
    """The trials of a run as a line: how many are running and owed, and the time left."""

    def __init__(
        self,
        queue: TrialQueue,
        clock: Clock = time.monotonic,
        waits_for: Waits = nothing,
        reached: Reached = unknown,
        other_work: OtherWork = no_other_work,
    ) -> None:
        self._queue = queue
        self._waits_for = waits_for
        self._reached = reached
        self._pace = Pace(clock, other_work)
        self.owed = queue.owed()
        """Updated when a trial ends, because another thread may ask."""

    def ended(self, record: Record) -> None:
        """Count a trial."""
        self._pace.tick(record.seconds, self._queue.num_running)
        self.owed = self._queue.owed()

    def left(self) -> str:
        """Return the number of owed trials, and the time left once it is known."""
        shares = self._reached()
        seconds = self._pace.left(self.owed, sum(shares.values()), len(shares))
        return (
            f"{self.owed} owed{f', about {duration(seconds)} left' if seconds and seconds >= 1 and self.owed else ''}"
        )

    def line(self) -> str:
        """Return the running trials as a clause."""
        name, running, quiet = self._queue.study.study, self._queue.num_running, duration(self._pace.quiet)
        shares = self._reached()
        if done := sum(shares.values()):  # trials that only wait for a free slot count as running too
            running = len(shares)
        share = f", {100 * done / running:.0f} % of {'it' if running == 1 else 'them'} done" if done else ""
        if not running and self._queue.waits_for_others:
            under_way = f"another driver runs the remaining trials, waiting for {quiet}"
        elif self._pace.ended:
            under_way = f"{running} running{share}, the last one ended {quiet} ago"
        elif done:
            under_way = f"{running} running{share}, {quiet} so far"
        else:
            under_way = f"workers are starting and running the first trials, {quiet} so far"
        waits = f"; {told}" if (told := self._waits_for()) else ""
        return f"{name}: {under_way}{waits}  [{self.left()}]"


def opening(queue: TrialQueue) -> str:
    """Return one line with the numbers of planned, recorded, taken and owed trials."""
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
