"""What identifies a teacher: its recipe, or the bytes of its checkpoint. Imports no torch."""

from __future__ import annotations

import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from trainables.config import TeacherConfig
from trainables.teachers.errors import TeacherError
from trainables.teachers.recipe import recipe_digest

BUNDLED = "mini_dual_encoder"
FEATURES_VERSION = 1
"""Raised when code changes the features that a teacher gives."""


def teacher_digest(config: TeacherConfig, cache: Path) -> str:
    """64 hex digits over everything that decides the teacher's features.

    The shuffled control permutes the targets of the teacher itself, so it has the teacher's digest.

    Raises:
        TeacherError: `teacher.checkpoint` names no file.
    """
    content = {
        "features": FEATURES_VERSION,
        "model": config.model,
        "weights": _weights(config),
        "control": "none" if config.control == "shuffled" else config.control,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _weights(config: TeacherConfig) -> str:
    if config.checkpoint is not None:
        path = Path(config.checkpoint).expanduser()
        if not path.is_file():
            raise TeacherError(
                f"teacher.checkpoint: no file at {path}; give the local path of an open_clip checkpoint of "
                f"{config.model!r} (as published with the model, .pt or .safetensors)"
            )
        facts = path.stat()
        return _file_digest(path, facts.st_size, facts.st_mtime_ns)
    if config.model == BUNDLED:
        return recipe_digest()
    return f"random weights of open_clip {version('open_clip_torch')}"


@functools.lru_cache(maxsize=16)
def _file_digest(path: Path, size: int, modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
