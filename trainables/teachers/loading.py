"""Loads whatever teacher a configuration names."""

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

    The controls `shuffled` and `blank_image` concern what is done with features, not the model. `untrained` gives the
    same architecture with random weights, always the same ones.

    Raises:
        TeacherError: no such model, or a file of it is missing or does not fit it.
    """
    part = config.part
    if config.checkpoint is not None and not part.takes_checkpoint:
        raise TeacherError(f"teacher.checkpoint: {config.model} has none; found {config.checkpoint!r}; leave it out")
    for name in missing_options(config):
        raise TeacherError(f"teacher.{part.name}.{name}: nothing; give it, or choose another teacher.model")
    return part.load(config, cache, progress)
