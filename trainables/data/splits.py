"""The splits of a data set, by name. Imports no torch; works without the data."""

from __future__ import annotations

from ablative.splits import SHIFTED
from ablative.splits import is_shifted
from ablative.trainables.data.sources import splits_of
from ablative.trainables.parts.task import Task

__all__ = ["expand_shifted", "splits_of"]


def expand_shifted(names: tuple[str, ...], task: Task, data: str) -> tuple[str, ...]:
    """Return `names` with `test_shifted` replaced by the task's shifted tests, each name once, in order."""
    shifted = tuple(split for split in splits_of(task, data) if is_shifted(split))
    expanded = [split for name in names for split in (shifted if name == SHIFTED else (name,))]
    return tuple(dict.fromkeys(expanded))
