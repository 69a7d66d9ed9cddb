"""What of a configuration says what a trial computes, and what says only where its files lie. Imports no torch."""

from __future__ import annotations

from typing import Any

from ablative.trainables.benchmark.spec import PRESETS
from ablative.trainables.config import TrialConfig
from ablative.trainables.teachers.recipe import FOLDER_SCHEMA


def without_places(config: TrialConfig) -> dict[str, Any]:
    """Return a canonical configuration as JSON values, without fields at their defaults and without paths.

    The digests of data, teacher and student (`trainables.digests`) say what lies at a path: what is moved stays what
    it is, and two folders of equal files are one data set.
    """
    content: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True)
    teacher = config.teacher
    places = {
        ("task", "data"): config.task.data not in PRESETS,
        ("teacher", "checkpoint"): teacher.checkpoint is not None,
        ("teacher", "model"): teacher.model.startswith(FOLDER_SCHEMA),
    }
    named: list[tuple[str, ...]] = [place for place, is_place in places.items() if is_place]
    named += [("student", *setting.split(".")) for setting in config.student.part.files(config.student)]
    for place in named:
        _remove(content, place)
    return content


def _remove(content: dict[str, Any], place: tuple[str, ...]) -> None:
    """Take the field at `place` out, and the groups that are empty without it."""
    first, *rest = place
    if rest and first in content:
        _remove(content[first], tuple(rest))
    if first in content and (not rest or not content[first]):
        del content[first]
