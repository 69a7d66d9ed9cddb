"""The files and folders of the cache that trials read, for machines with their own caches. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from ablative.places import is_uri
from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.copies import Item
from ablative.trainables.parts.preparation import Reads
from ablative.trainables.parts.task import Task
from ablative.trainables.teachers.feature_cache import features_folder

TEACHERS = "teachers"
"""Folder of teachers that are made here first; the processes that compute features read it."""


def reads(configs: Sequence[TrialConfig], cache: Path) -> Reads:
    """Return the files that trials of these configurations read, as far as known before they exist."""
    plain = [canonical(config) for config in configs]
    data = dict.fromkeys((config.task.part, config.task.data) for config in plain)
    places: dict[Path, None] = {}
    others: list[Item] = []
    for task, name in data:
        of_data = [config for config in plain if (config.task.part, config.task.data) == (task, name)]
        places |= dict.fromkeys(_of_data(task, name, of_data, cache))
        if is_uri(name):
            found, manifest = _objects(task, name, cache)
            others += found
            places[cache / manifest] = None
    taught = {teacher for config in plain for teacher, _ in config.taught_by}
    places |= dict.fromkeys(features_folder(teacher, cache) for teacher in taught)
    if any(teacher.part.prepare is not None for teacher in taught):
        places[cache / TEACHERS] = None
    return Reads(
        places=tuple(dict.fromkeys(place.relative_to(cache).as_posix() for place in places)),
        data=tuple(name for name in dict.fromkeys(name for _, name in data) if is_uri(name)),
        others=tuple(dict.fromkeys(others)),
    )


def _of_data(task: Task, data: str, configs: Iterable[TrialConfig], cache: Path) -> Iterator[Path]:
    """Yield the cache's files of a task's data, independent of the teacher."""
    from ablative.trainables.benchmark.build import benchmark_folder
    from ablative.trainables.data.content import examples_folder
    from ablative.trainables.data.content import kept_file
    from ablative.trainables.data.content import last_content
    from ablative.trainables.data.layout import image_folder_of
    from ablative.trainables.data.layout import task_folder
    from ablative.trainables.data.load import is_stored
    from ablative.trainables.data.manifest import manifest_file
    from ablative.trainables.data.splits import splits_of
    from ablative.trainables.students.stored_tokens import tokens_folder
    from ablative.trainables.vision.pixels import pixels_folder
    from ablative.trainables.vision.regions import regions_folder

    folder = task_folder(task, data, cache)
    images = image_folder_of(task, folder)
    if data in SHIPPED_DATA:
        yield benchmark_folder(data, cache)
    if is_stored(task, data) and folder.is_dir():
        yield kept_file(task, folder, cache)
        if (content := last_content(task, data, cache)) is not None:
            yield examples_folder(content, cache)
    yield manifest_file(images.resolve(), cache)
    yield regions_folder(cache)
    for config in configs:
        student = config.student
        if student.part.reads_pixels(student):
            yield pixels_folder(cache)
        if config.task.inputs != "image":
            longest = student.part.presets[student.preset].longest_text
            for split in splits_of(task, data, cache):
                yield tokens_folder(task, str(images), split, longest, student.vocabulary, cache)


def _objects(task: Task, data: str, cache: Path) -> tuple[list[Item], str]:
    """Return the files of a data set by URI that trials read, and its manifest.

    Once its examples are stored, no trial reads the files beside the pictures.
    """
    from ablative.trainables.data.content import examples_folder
    from ablative.trainables.data.content import last_content
    from ablative.trainables.data.far import read_by_trials
    from ablative.trainables.data.splits import splits_of
    from ablative.trainables.data.stored import WHOLE

    content = last_content(task, data, cache)
    stored = examples_folder(content, cache) if content is not None else None
    whole = stored is not None and all((stored / s / WHOLE).is_file() for s in splits_of(task, data, cache))
    return read_by_trials(data, cache, all_of_it=not whole)
