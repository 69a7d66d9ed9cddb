"""Loads the teacher that a configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablative.progress import Progress
from ablative.progress import silent
from ablative.trainables.config import TeacherConfig
from ablative.trainables.teachers.config import missing_options
from ablative.trainables.teachers.errors import TeacherError


def load_teacher(config: TeacherConfig, cache: Path, progress: Progress = silent) -> Any:
    """Return the teacher (`LoadedTeacher`), frozen and in eval mode, on the CPU.

    The controls `shuffled` and `blank_image` change how features are used, not the model. `untrained` gives the same
    architecture with fixed random weights.

    Raises:
        TeacherError: no such model, or one of its files is missing or does not fit.
    """
    part = config.part
    if config.checkpoint is not None and not part.takes_checkpoint:
        raise TeacherError(f"teacher.checkpoint: {config.model} has none; found {config.checkpoint!r}; leave it out")
    for name in missing_options(config):
        raise TeacherError(f"teacher.{part.name}.{name}: nothing; give it, or choose another teacher.model")
    return part.load(config, cache, progress)
