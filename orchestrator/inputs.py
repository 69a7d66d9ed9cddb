"""What a plan needs to know of the trainables: the splits of a task, and digests of data and teacher."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from ablative.trainables.config import TrialConfig

SHIFTED = "test_shifted"
"""In a study's `evaluate`: every shifted test that the task has."""
UNKNOWN = "unknown"
"""Digest of a data set that is not here: such a trial can be counted, but has no identity yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Two functions of a configuration, given from outside so that planning imports no data code."""

    splits: Callable[[TrialConfig], tuple[str, ...]]
    """All splits of the configuration's task and data."""
    digests: Callable[[TrialConfig], tuple[str, str, str]]
    """Digests of (data, teacher, student's initial weights); raises MissingData where the data is not here."""


def evaluated(evaluate: Sequence[str], splits: Sequence[str]) -> tuple[str, ...]:
    """Return the splits of a study's `evaluate` that a task has, in the task's order."""
    shifted = {split for split in splits if split.startswith("test_")} if SHIFTED in evaluate else set()
    return tuple(split for split in splits if split in shifted or split in evaluate)
