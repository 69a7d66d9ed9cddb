"""Which files, or which part of them, make a split. Imports no torch.

A folder may lack a labelled test file (VCR and VQA publish none). Then the official validation file serves as `test`,
and `val` is carved out of train by a hash of the image. So search never sees the data that confirm reports.
Shifted tests (`test_*`) are files found by their names, or made from the test by a rule or a list of ids. Unlabelled
files are `blind_*` splits: predicted for a leaderboard, never scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.benchmark.spec import splits_made
from ablative.trainables.benchmark.spec import tasks_made
from ablative.trainables.cache import cache_folder
from ablative.trainables.data.far import local_folder
from ablative.trainables.data.far import look_once
from ablative.trainables.data.layout import layout_of
from ablative.trainables.data.left_out import FILE as LEFT_OUT
from ablative.trainables.errors import MissingData
from ablative.trainables.parts.task import Layout
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task

CARVED_PERCENT = 5
"""Percent of the training images that make `val` if it must be carved."""
USUAL = ("train", "val", "test")
_SHIFTED_ORDER = ("test_style", "test_priors", "test_shortcuts")


def splits_of(task: Task, data: str, cache: Path | None = None) -> tuple[str, ...]:
    """Return the names of the splits that `data` has for `task`: shifted tests behind test, blind ones last.

    For a missing folder: the splits of the real distribution. For a data set given by URI, this reads the copy in
    `cache`, or in this machine's cache, which is updated once per process.
    """
    if data in SHIPPED_DATA:
        return splits_made(data, task.name) if task.name in tasks_made(data) else USUAL
    where = cache_folder() if cache is None else cache
    look_once(data, where)
    return task.splits(task.at(local_folder(data, where)))


def in_order(shifted: Iterable[str], blind: Iterable[str] = ()) -> tuple[str, ...]:
    """Return train, val and test, then shifted tests in the order of reports, then blind splits."""
    found = set(shifted)
    order = [split for split in _SHIFTED_ORDER if split in found]
    return (*USUAL, *order, *sorted(found - set(order)), *blind)


def shifted_files(layout: Layout, folder: Path) -> list[str]:
    """Return the names of the shifted tests for which `folder` has files under the layout's own names."""
    start, end = layout.files_of("*")[-1].split("*")
    names = (path.name.removeprefix(start).removesuffix(end) for path in folder.glob(f"{start}test_*{end}"))
    return sorted(names)


def data_files(task: Task, folder: Path) -> list[Path]:
    """Return every annotation file in `folder` that some split is read from, sorted, including slices."""
    place = task.at(folder)
    if task.files:
        paths = set(task.files(place))
    else:
        names = (task.layout(place).files_of(split) for split in task.splits(place))
        paths = {folder / name for files in names for name in files}
    paths |= {folder / LEFT_OUT, *(folder / "slices").glob("*.json")}
    return sorted(path for path in paths if path.is_file())


def source(task: Task, folder: Path, split: str) -> Source:
    """Return the files that `split` is read from. Raises `MissingData` for a split that the folder lacks."""
    if task.source:
        found = task.source(task.at(folder), split)
    else:
        found = Source(files=tuple(folder / name for name in layout_of(task, folder).files_of(split)))
    for path in (*found.files, *([found.only] if found.only else [])):
        if not path.exists():
            raise MissingData(
                f"split {split!r} of {task.name}: {path} does not exist; remove the split, or add the file."
            )
    if not found.files:
        raise MissingData(f"split {split!r} of {task.name}: {folder} has no files for it; remove the split.")
    return found


def is_carved(image: str) -> bool:
    """Return whether `image` belongs to a `val` carved out of train: a property of its name alone."""
    return percentile(image) < CARVED_PERCENT


def percentile(image: str) -> int:
    """Return a number from 0 to 99 for an image's name, evenly spread over names."""
    point = hashlib.blake2b(image.encode(), digest_size=8).digest()
    return int.from_bytes(point, "big") % 100
