"""What identifies a teacher: its recipe, or the bytes of its checkpoint. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from ablative.trainables.config import TeacherConfig
from ablative.trainables.file_digests import file_digests
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.recipe import FOLDER_SCHEMA
from ablative.trainables.teachers.recipe import recipe_digest

BUNDLED = "mini_dual_encoder"
FEATURES_VERSION = 1
"""Raised when code changes the features that a teacher gives."""
PREPROCESSING_VERSION = 1
"""Raised when code changes how pictures reach an open_clip model with weights of its own."""


def teacher_digest(config: TeacherConfig, cache: Path) -> str:
    """64 hex digits over everything that decides the teacher's features, their precision included.

    The shuffled control permutes the targets of the teacher itself, so it has the teacher's digest.

    Raises:
        TeacherError: `teacher.checkpoint` names no file, or `teacher.model` no folder.
    """
    content: dict[str, object] = {
        "features": FEATURES_VERSION,
        "model": FOLDER_SCHEMA if config.model.startswith(FOLDER_SCHEMA) else config.model,
        "weights": _weights(config, cache),
        "control": "none" if config.control == "shuffled" else config.control,
    }
    if config.checkpoint is not None or config.model.startswith(FOLDER_SCHEMA):
        content["preprocessing"] = PREPROCESSING_VERSION
    if config.precision != "float16":
        content["precision"] = config.precision
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _weights(config: TeacherConfig, cache: Path) -> str:
    if config.checkpoint is not None:
        return file_digests([_checkpoint(config)], cache)[0]
    if config.model == BUNDLED:
        return recipe_digest()
    if config.model.startswith(FOLDER_SCHEMA):
        files = _files(Path(config.model.removeprefix(FOLDER_SCHEMA)))
        named = dict(zip((path.name for path in files), file_digests(files, cache), strict=True))
        return hashlib.sha256(json.dumps(named).encode()).hexdigest()
    return f"random weights of open_clip {version('open_clip_torch')}"


def _checkpoint(config: TeacherConfig) -> Path:
    path = Path(str(config.checkpoint)).expanduser()
    if not path.is_file():
        raise TeacherError(
            f"teacher.checkpoint: no file at {path}; give the local path of a checkpoint of {config.model!r} "
            "(as published with the model: open_clip's .pt or .safetensors, or OpenAI's archive)"
        )
    return path


def _files(folder: Path) -> list[Path]:
    """The files that decide a model in a folder: its configuration, tokenizer and weights."""
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    if not any(path.name == "open_clip_config.json" for path in files):
        raise TeacherError(
            f"teacher.model: no open_clip_config.json in {folder}; wanted a folder of an open_clip model"
        )
    return files
