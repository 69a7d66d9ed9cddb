"""What of a configuration says what a trial computes, and what says only where its files lie. Imports no torch."""

from __future__ import annotations

from typing import Any

from ablative.trainables.benchmark.spec import PRESETS
from ablative.trainables.config import TrialConfig
from ablative.trainables.teachers.recipe import FOLDER_SCHEMA

_NAMED_INIT = ("pretrained", "scratch")


def without_places(config: TrialConfig) -> dict[str, Any]:
    """Return a canonical configuration as JSON values, without fields at their defaults and without paths.

    The digests of data, teacher and student (`trainables.digests`) say what lies at a path: what is moved stays what
    it is, and two folders of equal files are one data set.
    """
    content: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True)
    student, teacher = config.student, config.teacher
    places = {
        ("task", "data"): config.task.data not in PRESETS,
        ("student", "init"): student.init not in _NAMED_INIT,
        ("student", "vocabulary"): student.vocabulary is not None,
        ("student", "trunk_checkpoint"): student.trunk_checkpoint is not None,
        ("teacher", "checkpoint"): teacher.checkpoint is not None,
        ("teacher", "model"): teacher.model.startswith(FOLDER_SCHEMA),
    }
    for (part, field), is_place in places.items():
        if is_place:
            del content[part][field]
            if not content[part]:
                del content[part]
    return content
