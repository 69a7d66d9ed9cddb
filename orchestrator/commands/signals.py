"""Signals that end a command: a scheduler's SIGTERM and a closed terminal's SIGHUP act like Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HEEDED = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal of `HEEDED` came.

    A kind of its own for the interpreter's sake: once a plain KeyboardInterrupt has left code that was given to `exec`
    as text, as dataclasses are made, `python -m` ends by SIGINT, whatever status the command ends with.
    """


class Stop:
    """Raises `Stopped` for the first signal; a second one does not disturb the cleaning up."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """The received signal, if any."""

    @property
    def status(self) -> int:
        """The exit status of a stopped command, as in shells: 130 for Ctrl-C."""
        return 128 + (self.signal or signal.SIGINT)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self.signal is None:
            self.signal = number
            raise Stopped


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Heed signals within this context. Ignored signals, as under nohup, and a caller's handlers stay as they are."""
    stop = Stop()
    here = threading.current_thread() is threading.main_thread()
    heeded = [number for number in HEEDED if here and signal.getsignal(number) is signal.SIG_DFL]
    for number in heeded:
        signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)
