"""The digests of a trial's data and teacher, which enter its identity. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from ablative.progress import Progress
from ablative.progress import silent
from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.benchmark.spec import spec_digest
from ablative.trainables.config import StudentConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.data.content import READER_VERSION
from ablative.trainables.data.content import DataContent
from ablative.trainables.data.content import data_content
from ablative.trainables.data.content import hashed
from ablative.trainables.file_digests import file_digests
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.trainable import Digests
from ablative.trainables.students.starting_files import starting_files

_NAMES = {"trunk_checkpoint": "trunk"}
"""Settings under another name in a student's digest."""


class InputDigests:
    """Digests of what trials read. Each data set is read once, so that a plan sees a single state of it."""

    def __init__(self, cache: Path, progress: Progress = silent) -> None:
        self._cache = cache
        self._progress = progress
        self._contents: dict[tuple[Task, str, bool], DataContent] = {}

    def of(self, config: TrialConfig) -> Digests:
        """Return the digests of the data set, the teacher and the student's initial weights that `config` names.

        The teacher's digest is empty if nothing is distilled. If converted region features replace the pictures in
        `data`, a teacher or student that still reads the pictures has them in its own digest.

        The bundled benchmark need not exist yet. Raises `MissingData` if a real data set or a student's initial file
        is missing.
        """
        task, data, student = config.task.part, config.task.data, canonical(config).student
        return Digests(
            data=bundled_digest(task.name, data) if data in SHIPPED_DATA else self._content(task, data).digest,
            teacher=self._with_pictures(config, self._teacher(config), read=reads_pictures(config)),
            student=self._with_pictures(
                config, student_digest(student, self._cache), read=student.part.reads_pixels(student)
            ),
        )

    def _teacher(self, config: TrialConfig) -> str:
        from ablative.trainables.teachers.digest import teacher_digest

        digests = [teacher_digest(teacher, self._cache) for teacher, _ in config.taught_by]
        return hashed({"teachers": digests}) if len(digests) > 1 else "".join(digests)

    def _with_pictures(self, config: TrialConfig, digest: str, *, read: bool) -> str:
        """Return the digest of a model and of the pictures that it reads, unless the data's digest covers them."""
        task, data = config.task.part, config.task.data
        if not read or data in SHIPPED_DATA or not self._content(task, data).regions:
            return digest
        return hashed({"model": digest, "pictures": self._content(task, data, pictures=True).pictures})

    def _content(self, task: Task, data: str, *, pictures: bool = False) -> DataContent:
        key = (task, data, pictures)
        if key not in self._contents:
            self._contents[key] = data_content(task, data, self._cache, self._progress, pictures=pictures or None)
        return self._contents[key]


def reads_pictures(config: TrialConfig) -> bool:
    """Return whether a teacher of a trial sees the pictures, whatever region features the student sees."""
    return config.teacher.control != "blank_image" and any(teacher.part.live for teacher, _ in config.taught_by)


def bundled_digest(task: str, name: str) -> str:
    """Return the digest of a task of the bundled benchmark, which is that of the recipe for its files."""
    return hashed({"task": task, "reader": READER_VERSION, "spec": spec_digest(preset(name))})


def student_digest(student: StudentConfig, cache: Path) -> str:
    """Return the digest of the student's initial weights. Raises `MissingData` if a file of them is missing.

    A checkpoint alone has the digest of its bytes; a vocabulary and a trunk's checkpoint are added to it. A cased
    vocabulary says so: texts once reached it in lower case.
    """
    files = {_NAMES.get(setting, setting): path for setting, path in starting_files(student).items()}
    digests_of = dict(zip(files, file_digests(files.values(), cache), strict=True))
    if files.keys() <= {"init"}:
        return digests_of.get("init", "")
    reading = {"case": "as written"} if _reads_capitals(student) else {}
    return hashed({**digests_of, **reading})


def _reads_capitals(student: StudentConfig) -> bool:
    if student.vocabulary is None:
        return False
    from ablative.trainables.students.vocabulary import VocabularyError
    from ablative.trainables.students.vocabulary import is_cased

    try:
        return is_cased(student.vocabulary)
    except VocabularyError:  # told where it is loaded
        return False
