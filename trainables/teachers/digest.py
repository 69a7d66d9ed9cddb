"""The identity of a teacher: its recipe, or the bytes of its files. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ablative.trainables.config import TeacherConfig
from ablative.trainables.file_digests import file_digests
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.teachers.errors import TeacherError

FEATURES_VERSION = 1
"""Raised when code changes the features that a teacher gives."""


def teacher_digest(config: TeacherConfig, cache: Path) -> str:
    """64 hex digits over everything that decides the teacher's features, including their precision.

    The shuffled control permutes the teacher's own targets, so it has the teacher's digest.

    Raises:
        TeacherError: `teacher.model` names no teacher, or one of its files is missing.
    """
    part = config.part
    content: dict[str, Any] = {
        "features": FEATURES_VERSION,
        "model": part.schema if part.schema and config.model.startswith(part.schema) else config.model,
        "control": "none" if config.control == "shuffled" else config.control,
        **(_of_files(part, config, cache) if part.identity is None else part.identity(config, cache)),
    }
    if settings := _settings(part, config):
        content["options"] = settings
    if code := config.catalogue().origin(part).identity:
        content["code"] = code
    if config.precision != "float16":
        content["precision"] = config.precision
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _settings(part: Teacher, config: TeacherConfig) -> dict[str, Any]:
    """The options that differ from their defaults and do not name a file."""
    if part.options is None:
        return {}
    of_files = {place.removeprefix(f"{part.name}.") for place in part.files(config)}
    found: dict[str, Any] = config.options.model_dump(mode="json", exclude_defaults=True, exclude=of_files)
    return found


def _of_files(part: Teacher, config: TeacherConfig, cache: Path) -> dict[str, Any]:
    found = {}
    for place, path in part.files(config).items():
        path = path.expanduser()
        of = digest_of_folder if path.is_dir() else digest_of_file
        found[place] = of(place, path, cache)
    return {"weights": found} if found else {}


def digest_of_file(place: str, path: Path, cache: Path, remedy: str = "give the path of one that is there") -> str:
    """Return the SHA-256 of a file that `teacher.<place>` names. Raises TeacherError if it is missing."""
    path = path.expanduser()
    if not path.is_file():
        raise TeacherError(f"teacher.{place}: no file at {path}; {remedy}")
    return file_digests([path], cache)[0]


def digest_of_folder(place: str, folder: Path, cache: Path, *, of: str = "a model", wanted: str = "") -> str:
    """Return a digest of the names and bytes of the files in a folder, without subfolders.

    Raises TeacherError if the folder has no files, or lacks the wanted one.
    """
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    if not files or (wanted and not any(path.name == wanted for path in files)):
        raise TeacherError(f"teacher.{place}: no {wanted or 'files'} in {folder}; wanted a folder of {of}")
    named = dict(zip((path.name for path in files), file_digests(files, cache), strict=True))
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()
