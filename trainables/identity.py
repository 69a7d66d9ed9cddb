"""Separates what a configuration computes from where its files are. Imports no torch."""

from __future__ import annotations

from typing import Any

from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.config import TrialConfig
from ablative.trainables.teachers.needs import reads_confidence

ADAPTATION_VERSION = 2
"""Raised when code changes adapted teachers (AF-T); part of the identity of their trials only. 2: texts that the
subset calls true of a picture are not its negatives."""

CONFIDENCE_VERSION = 2
"""Raised when code changes a teacher's confidence in classes with separate scores (VQA); part of the identity of
trials that read it. 2: a sigmoid each, as in the student, with regularisation chosen by cross-validation."""


def without_places(config: TrialConfig) -> dict[str, Any]:
    """Return a canonical configuration as JSON values, without fields at their defaults and without paths.

    The digests of data, teacher and student (`trainables.digests`) identify the contents of a path: moved files keep
    their identity, and two folders of equal files are one data set.
    """
    content: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True)
    named: list[tuple[str, ...]] = [("task", "data")] if config.task.data not in SHIPPED_DATA else []
    named += [("student", *setting.split(".")) for setting in config.student.part.files(config.student)]
    if not config.teachers:
        named += [("teacher", *place.split(".")) for one, _ in config.taught_by for place in one.part.files(one)]
    named += [("optim", "gradient_checkpointing"), ("optim", "sharding")]  # how it is computed, as workers are
    if config.student.tags == "unscaled":  # what tags were before there was a setting
        named.append(("student", "tags"))
    for place in named:
        _remove(content, place)
    if config.distillation.adaptation.of == "teacher":
        content["distillation"]["adaptation"]["version"] = ADAPTATION_VERSION
    if config.task.part.head == "independent" and reads_confidence(config.distillation):
        content["distillation"]["confidence_version"] = CONFIDENCE_VERSION
    for one, (teacher, _) in zip(content.get("teachers", ()), config.taught_by, strict=False):
        for setting in teacher.part.files(teacher):
            _remove(one, tuple(setting.split(".")))
    return content


def _remove(content: dict[str, Any], place: tuple[str, ...]) -> None:
    """Remove the field at `place`, and groups that become empty."""
    first, *rest = place
    if rest and first in content:
        _remove(content[first], tuple(rest))
    if first in content and (not rest or not content[first]):
        del content[first]
