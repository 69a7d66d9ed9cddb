"""One sink in its own thread: however slow or broken it is, the run continues."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol

from ablative.orchestrator.sinks.ended import Ended
from ablative.orchestrator.storing.records import Record
from ablative.trainables.job import CurvePoint
from ablative.trainables.strangers import said

Say = Callable[[str], None]

MOST_WAITING = 1000
"""Most trials kept in memory for a sink; the others are read from the store at the end."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_LOOK_S = 1.0


class Sink(Protocol):
    """A place to which trials are copied."""

    def put(self, record: Record, curve: Sequence[CurvePoint]) -> bool:
        """Copy one ended trial unless the sink has it; return whether it was copied."""
        ...


class Copier:
    """Copies trials as they end, earlier records, and trials that could not be copied before."""

    def __init__(self, name: str, open_sink: Callable[[], Sink], say: Say) -> None:
        self._name = name
        self._open_sink = open_sink
        self._say = say
        self._live: queue.Queue[Ended] = queue.Queue(MOST_WAITING)
        self._missed: deque[Ended] = deque(maxlen=MOST_WAITING)
        self._recorded: Callable[[], Iterable[Ended]] = tuple
        self._owed: dict[str, datetime] = {}
        """Trial id -> when its last known ending was; one that failed may be run again."""
        self._copied: dict[str, datetime] = {}
        self._owing = threading.Lock()
        self._pause_s = 0.0
        self._begun, self._closing = threading.Event(), threading.Event()
        self._gave_up = False
        self.opened: Future[None] = Future()
        """Done when the sink is open; holds the exception if opening failed."""
        self._thread = threading.Thread(target=self._work, name=f"sink {name}", daemon=True)
        self._thread.start()

    def begin(self, recorded: Callable[[], Iterable[Ended]]) -> None:
        """Start with the trials of `recorded`, which is called in the sink's thread now and at the end."""
        self._recorded = recorded
        self._begun.set()

    def put(self, record: Record, curve: Sequence[CurvePoint]) -> None:
        """Queue an ended trial for copying; never waits."""
        self._owe(record)
        try:
            self._live.put_nowait((record, curve))
        except queue.Full:
            pass  # read from the store at the end

    def close(self, deadline: float) -> int:
        """Copy the rest until the monotonic time `deadline`; return how many trials were not copied."""
        self._closing.set()
        self._begun.set()
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._gave_up = True
        owed = list(self._owed.items())  # the sink's thread may still add to it
        return sum(self._copied.get(trial) != ended for trial, ended in owed)

    def _work(self) -> None:
        try:
            sink = self._open_sink()
        except BaseException as error:  # whatever a foreign package raises, in whoever waits for it
            self.opened.set_exception(error)
            return
        self.opened.set_result(None)
        self._begun.wait()
        for record, curve in self._due():
            if self._owe(record):
                self._copy(sink, record, curve)
            if self._gave_up:
                return

    def _owe(self, record: Record) -> bool:
        """Return whether this ending of the trial is the latest known one, and not copied."""
        trial, ended = record.trial_id, record.finished_at
        with self._owing:
            last = self._owed[trial] = max(ended, self._owed.get(trial, ended))
        return ended == last != self._copied.get(trial)

    def _due(self) -> Iterator[Ended]:
        """Yield the next trial to copy, until the run has ended and none is left."""
        yield from self._of_store()
        while not self._closing.is_set():
            try:
                yield self._live.get(timeout=_LOOK_S)
            except queue.Empty:
                if self._missed:
                    yield self._missed.popleft()
        yield from self._ended_since()
        yield from self._of_store()

    def _of_store(self) -> Iterator[Ended]:
        try:
            for ended in self._recorded():
                yield ended
                yield from self._ended_since()
        except Exception as error:  # a store that cannot be read must not end the copying
            self._say(f"sinks.{self._name}: {said(error)}")

    def _ended_since(self) -> Iterator[Ended]:
        while True:
            try:
                yield self._live.get_nowait()
            except queue.Empty:
                return

    def _copy(self, sink: Sink, record: Record, curve: Sequence[CurvePoint]) -> None:
        try:
            sink.put(record, curve)
        except Exception as error:  # whatever a foreign package raises: a copy must not end a study
            if not self._pause_s:
                self._say(f"sinks.{self._name}: {said(error)}; copying will be retried, and the records are complete")
            self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            self._missed.append((record, curve))
            self._gave_up = self._closing.wait(self._pause_s)  # the last try is behind it
            return
        self._copied[record.trial_id] = record.finished_at
        if self._pause_s:
            self._pause_s = 0.0
            self._say(f"sinks.{self._name}: copying works again")
