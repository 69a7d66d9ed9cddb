"""The place of a task's files: a part of the bundled benchmark, or the folder of a real data set. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.benchmark.spec import TASKS
from ablative.trainables.cache import cache_folder
from ablative.trainables.data.far import is_fetched
from ablative.trainables.data.far import local_folder
from ablative.trainables.data.far import look
from ablative.trainables.data.far import look_once
from ablative.trainables.errors import MissingData
from ablative.trainables.parts.task import Layout
from ablative.trainables.parts.task import Task


def layout_of(task: Task, folder: Path) -> Layout:
    """Return the layout of `folder`, which need not exist."""
    return task.layout(task.at(folder))


def image_folder_of(task: Task, folder: Path) -> Path:
    """Return the folder that the pictures of `folder` are named in."""
    return folder / layout_of(task, folder).image_folder


def task_folder(task: Task, data: str, cache: Path) -> Path:
    """Return the folder of one task's files: a part of the bundled benchmark, or the real data set's folder.

    For a data set given by URI it is the copy, which is fetched if missing.

    For a real data set, raises `MissingData`, naming each missing file and how to get it; also for a task without
    files in the bundled benchmark. The bundled benchmark's folder need not be generated yet.
    """
    if data in SHIPPED_DATA:
        from ablative.trainables.benchmark.build import benchmark_folder

        if task.name not in TASKS:
            raise MissingData(
                f"task.data: the bundled benchmark {data} has no files for {task.name}; give the folder of a data set."
            )
        return benchmark_folder(data, cache) / task.name
    if not is_fetched(data, cache):
        look(data, cache)
    folder = local_folder(data, cache)
    missing = missing_files(task, folder)
    if missing:
        listed = "\n".join(f"  {folder / name}" for name in missing)
        raise MissingData(
            f"task.data: {task.name} is not complete in {folder}; missing:\n{listed}\n"
            f"How to get it: {layout_of(task, folder).remedy}."
        )
    return folder


def task_of(data: str, tasks: Iterable[Task]) -> Task:
    """Return the task whose annotation files lie in a folder or URI. Raises `MissingData` unless it is exactly one."""
    look_once(data, cache_folder())
    folder, known = local_folder(data, cache_folder()), list(tasks)
    found = [task for task in known if _has_required(layout_of(task, folder), folder)]
    if len(found) != 1:
        listed = "\n".join(f"  {task.name}: {', '.join(layout_of(task, folder).required)}" for task in known)
        raise MissingData(
            f"{folder}: the annotation files of {' and '.join(task.name for task in found) or 'no task'} are here; a "
            f"task is told by\n{listed}\nName the task, or complete the folder."
        )
    return found[0]


def _has_required(layout: Layout, folder: Path) -> bool:
    return all((folder / name).exists() for name in layout.required)


def missing_files(task: Task, folder: Path) -> list[str]:
    """Return the files of `task` that `folder` lacks, relative to it."""
    layout = layout_of(task, folder)
    images = folder / layout.image_folder
    replaced = (images / "regions").is_dir() or next(images.glob("*.tar"), None) is not None
    needed = layout.required if replaced else (*layout.required, *layout.pictures)
    return [name for name in needed if not (folder / name).exists()]
