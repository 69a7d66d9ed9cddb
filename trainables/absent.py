"""Finds files that trials would read and this machine lacks, by name alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path

from ablative.places import is_uri
from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.layout import missing_files
from ablative.trainables.errors import MissingData
from ablative.trainables.parts.teacher import absent_files
from ablative.trainables.students.starting_files import starting_files


def absent(configs: Iterable[TrialConfig]) -> tuple[str, ...]:
    """Return one line for each missing data set, checkpoint or vocabulary of `configs`, each once."""
    return tuple(dict.fromkeys(line for config in configs for line in _absent(config)))


def _absent(config: TrialConfig) -> Iterator[str]:
    task = config.task
    if task.data not in SHIPPED_DATA and not is_uri(task.data):
        folder = Path(task.data).expanduser()
        if missing := missing_files(task.part, folder):
            what = "no such folder" if not folder.is_dir() else f"without {', '.join(missing)}"
            yield f"task.data: {folder}: {what}, so {task.name} cannot be read from it"
    try:
        starting_files(config.student)
    except MissingData as error:
        yield str(error)
    for teacher, _ in config.taught_by:
        yield from absent_files(teacher.part, teacher)
