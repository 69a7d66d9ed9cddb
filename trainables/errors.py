"""The named errors of a trial. Each message about data has the file, what was found and the remedy."""

from __future__ import annotations

import sys

from ablative.errors import AblativeError
from ablative.trainables.job import Cause


class DataError(AblativeError):
    """The data set cannot be used as it is."""


class MissingData(DataError):
    """Files of a data set, or a student's initial files, are missing."""


class UnreadableData(DataError):
    """Too many rows of a file cannot be read."""


class NonFinite(Exception):
    """A loss or a metric became NaN or infinite: a result of the trial, not a fault of the code."""


class TimeLimit(Exception):
    """A trial took longer than its study allows."""


class Preempted(Exception):
    """The trial's machine is being drained: the trial has saved, and continues elsewhere."""


class Hindered(AblativeError):
    """Something outside the trial, such as a full disk, would fail all others too: the run ends, no trial failed."""


class ElsewhereError(Exception):
    """The failure of a trial's rank 0, raised on the other ranks, which would otherwise wait for it forever."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause: Cause = cause


def cause_of(raised: BaseException) -> Cause:
    """The named cause of an exception that a trial raised."""
    if isinstance(raised, ElsewhereError):
        return raised.cause
    if isinstance(raised, NonFinite):
        return "non_finite"
    if isinstance(raised, TimeLimit):
        return "time_limit"
    if isinstance(raised, Preempted):
        return "preempted"
    if isinstance(raised, MissingData):
        return "missing_data"
    if isinstance(raised, MemoryError) or _is_of_device(raised) or "can't allocate memory" in str(raised):
        return "out_of_memory"
    return "worker_lost" if _is_of_lost_peer(raised) else "trainable_error"


def _is_of_lost_peer(raised: BaseException) -> bool:
    """The other workers of a trial may learn this way, long before the cluster does, that a machine was lost."""
    return isinstance(raised, RuntimeError) and "gloo/transport" in str(raised) and "by peer" in str(raised)


def _is_of_device(raised: BaseException) -> bool:
    """If a trial ran out of a device's memory, torch is loaded: nothing here imports it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(raised, torch.cuda.OutOfMemoryError)
