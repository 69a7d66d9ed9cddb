"""Reads a task's files: the one place that calls a task's own reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ablative.trainables.data.examples import Example
from ablative.trainables.data.left_out import kept
from ablative.trainables.data.slices import read_slices
from ablative.trainables.parts.task import Reading
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task


def classes_of(task: Task, folder: Path) -> tuple[str, ...]:
    """Return the output classes of a task; none if it has candidates to choose from."""
    return task.classes(task.at(folder))


def read_examples(task: Task, folder: Path, split: str, origin: Source, classes: tuple[str, ...]) -> Iterator[Example]:
    """Yield the examples of a split from its files, row by row, except pictures left out."""
    reading = Reading(
        folder=task.at(folder), split=split, source=origin, classes=classes, slices=read_slices(folder, split)
    )
    return kept(task.read(reading), folder)
