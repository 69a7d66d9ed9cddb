"""The splits of a data set, by name. Imports no torch; works where the data is absent."""

from __future__ import annotations

from ablative.trainables.data.sources import splits_of
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.task import Names
from ablative.trainables.parts.task import Task

__all__ = ["SHIFTED", "expand_shifted", "known_splits", "splits_of"]

SHIFTED = "test_shifted"
"""Stands for all shifted tests that a task has."""


def known_splits(catalogue: Catalogue) -> Names:
    """Return every split that some task can have besides `train`: what a study may list."""
    return Names([name for task in catalogue.of(Task).values() for name in task.known_splits])


def expand_shifted(names: tuple[str, ...], task: Task, data: str) -> tuple[str, ...]:
    """Return `names` with `test_shifted` replaced by the task's shifted tests, each name once, in order."""
    shifted = tuple(split for split in splits_of(task, data) if split.startswith("test_"))
    expanded = [split for name in names for split in (shifted if name == SHIFTED else (name,))]
    return tuple(dict.fromkeys(expanded))
