"""What can go wrong in a trial by name. Each message about data says the file, what was found and the remedy."""

from __future__ import annotations


class DataError(Exception):
    """The data set cannot be used as it is."""


class MissingData(DataError):
    """Files of a data set are not there."""


class UnreadableData(DataError):
    """Too many rows of a file cannot be read."""


class NonFinite(Exception):
    """A loss or a metric became NaN or infinite: a result of the trial, not a fault of the code."""


class TimeLimit(Exception):
    """A trial took longer than its study allows."""
