"""The answer models of the commands about teachers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ablative.frozen import Answer
from ablative.trainables.parts.trainable import Foresight
from ablative.trainables.teachers.inventory import CachedTeacher


class TeacherCacheAnswer(Answer):
    """The answer of `ablate teacher cache --json`: the features are all there."""

    teacher_cache_version: Literal[1] = 1
    study: str
    cache: str
    """Folder of the cache."""


class ProbedTeacher(Answer):
    """A teacher under the conditions of some cells."""

    cells: tuple[str, ...]
    foresight: Foresight


class TeacherProbeAnswer(Answer):
    """The answer of `ablate teacher probe --json`."""

    teacher_probe_version: Literal[1] = 1
    study: str
    teachers: tuple[ProbedTeacher, ...]


class AdaptationPoint(Answer):
    """The loss along an adaptation."""

    steps: int
    loss: float
    """Mean since the point before."""


class TeacherAdaptAnswer(Answer):
    """The answer of `ablate teacher adapt --json`."""

    teacher_adapt_version: Literal[1] = 1
    output: str
    """Folder; `teacher.model: local-dir:OUTPUT` names it."""
    task: str
    data: str
    pairs: int
    """Matched pairs of picture and text in the share of train; 0 in a dry run, which reads none."""
    steps: int
    resumed_at: int
    """Steps that an earlier run had done."""
    dry_run: bool
    curve: tuple[AdaptationPoint, ...]
    """Of this run."""


class TeacherShowAnswer(Answer):
    """The answer of `ablate teacher show --json`."""

    teacher_show_version: Literal[1] = 1
    cache: str
    """Folder of the cache."""
    teachers: tuple[CachedTeacher, ...]
    """Teachers with all or some of their features cached."""
    study: str | None
    """What was asked about; null where nothing was."""
    missing: tuple[str, ...]
    """A line for each teacher and table that lacks features which the study's trials read."""


def probed_teachers(measured: Iterable[tuple[str, Foresight | None]]) -> tuple[ProbedTeacher, ...]:
    """Return the measurements of the teachers of cells (cell, and its teacher's measurement, if any), each once."""
    found: dict[str, tuple[Foresight, list[str]]] = {}
    for cell, foresight in measured:
        if foresight is not None:
            found.setdefault(repr(foresight), (foresight, []))[1].append(cell)
    return tuple(ProbedTeacher(cells=tuple(cells), foresight=foresight) for foresight, cells in found.values())
