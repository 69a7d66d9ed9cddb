"""What a trial's data and teacher are, as digests that enter its identity. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trainables.config import StudentConfig
from trainables.config import TrialConfig
from trainables.config import canonical
from trainables.data.layout import layout_of
from trainables.data.layout import task_folder
from trainables.data.mini.spec import PRESETS
from trainables.data.mini.spec import preset
from trainables.data.mini.spec import spec_digest
from trainables.data.pictures import DECODING_VERSION
from trainables.data.sources import data_files
from trainables.students.presets import starting_files

CONVERTED = "regions/whole.json"
"""File below the image folder that says that region features were converted, and which."""
READER_VERSION = 1
"""Raised when the readers make different examples of the same files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Hexadecimal SHA-256 digests."""

    data: str
    teacher: str
    """Empty where nothing is distilled: then no teacher takes part."""
    student: str
    """Of the files that the student starts from: checkpoint, vocabulary, trunk. Empty where it starts from none."""


def digests(config: TrialConfig, cache: Path) -> Digests:
    """Return the digests of the data set, the teacher and the student's initial weights that `config` names.

    The bundled benchmark need not have been generated yet. Raises `MissingData` if a real data set or a
    file that the student starts from is not there.
    """
    data = data_digest(config.task.name, config.task.data, cache)
    return Digests(
        data=data,
        teacher=_teacher(config, cache) if config.distillation.distils else "",
        student=student_digest(canonical(config).student, cache),
    )


def student_digest(student: StudentConfig, cache: Path) -> str:
    """Return the digest of the student's initial weights. Raises `MissingData` where a file of them is not there.

    A checkpoint alone has the digest of its bytes; a vocabulary and a trunk's checkpoint are added to it.
    """
    files = starting_files(student)
    digests_of = dict(zip(files, file_digests(files.values(), cache), strict=True))
    return digests_of.get("init", "") if files.keys() <= {"init"} else _hash(dict(digests_of))


def _teacher(config: TrialConfig, cache: Path) -> str:
    from trainables.teachers.digest import teacher_digest

    return teacher_digest(config.teacher, cache)


def data_digest(task: str, data: str, cache: Path) -> str:
    """Return the digest of one task's data: of its recipe (bundled) or of its annotation files' bytes (real).

    Pictures of a real data set are not read: the annotation files say which ones are meant. Region features that were
    converted for it (`ablate data prepare --regions`) count.
    """
    content = _content(task, data, cache)
    if data not in PRESETS:
        content["decoding"] = DECODING_VERSION
        if regions := _regions(task, task_folder(task, data, cache)):
            content["regions"] = regions
    return _hash(content)


def _content(task: str, data: str, cache: Path) -> dict[str, object]:
    content: dict[str, object] = {"task": task, "reader": READER_VERSION}
    if data in PRESETS:
        return content | {"spec": spec_digest(preset(data))}
    files = data_files(task, task_folder(task, data, cache))
    return content | {"files": dict(zip((path.name for path in files), file_digests(files, cache), strict=True))}


def _regions(task: str, folder: Path) -> str:
    """Return the digest of the region features that lie beside the pictures, empty where there are none."""
    whole = folder / layout_of(task, folder).image_folder / CONVERTED
    return str(json.loads(whole.read_text(encoding="utf-8"))["digest"]) if whole.is_file() else ""


def _hash(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def stored_folder(task: str, data: str, cache: Path) -> Path:
    """Return where the examples of these files are stored, or would be (`trainables.data.convert`)."""
    return cache / "examples" / _hash(_content(task, data, cache))[:16]


def file_digests(paths: Iterable[Path], cache: Path) -> list[str]:
    """Return the SHA-256 of each file; a file whose size and modification time are known is not read again."""
    memory = cache / "file_digests.json"
    known: dict[str, list[object]] = _remembered(memory)
    found: list[str] = []
    for path in paths:
        key, stat = str(path.absolute()), path.stat()
        entry = known.get(key)
        if not entry or entry[:2] != [stat.st_size, stat.st_mtime_ns]:
            with path.open("rb") as file:
                known[key] = [stat.st_size, stat.st_mtime_ns, hashlib.file_digest(file, "sha256").hexdigest()]
        found.append(str(known[key][2]))
    if known != _remembered(memory):
        _remember(memory, known)
    return found


def _remembered(memory: Path) -> dict[str, list[object]]:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # only a memory: without it the files are read
        return {}
    return content if isinstance(content, dict) else {}


def _remember(memory: Path, known: dict[str, list[object]]) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=memory.parent, prefix=".file_digests-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(known, file)
    Path(partial).replace(memory)
