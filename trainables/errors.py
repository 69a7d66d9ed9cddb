"""What can go wrong in a trial by name. Each message about data says the file, what was found and the remedy."""

from __future__ import annotations

from ablative.errors import AblativeError
from ablative.trainables.job import Cause


class DataError(AblativeError):
    """The data set cannot be used as it is."""


class MissingData(DataError):
    """Files of a data set, or those that a student starts from, are not there."""


class UnreadableData(DataError):
    """Too many rows of a file cannot be read."""


class NonFinite(Exception):
    """A loss or a metric became NaN or infinite: a result of the trial, not a fault of the code."""


class TimeLimit(Exception):
    """A trial took longer than its study allows."""


class Hindered(AblativeError):
    """Something outside the trial would fail all others too, such as a full disk: the run ends, no trial failed."""


class ElsewhereError(Exception):
    """What made the first worker of a trial fail, on the workers that would wait for it in vain."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause: Cause = cause
