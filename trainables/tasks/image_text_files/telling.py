"""The first lines of `ablate data check` on a folder, before it reads every row: how the folder was understood."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

from ablative.trainables.data.picture_tables import COLUMN
from ablative.trainables.data.picture_tables import holds_pictures
from ablative.trainables.data.picture_tables import schema_of
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.tasks.image_text_files.metrics import metric_names
from ablative.trainables.tasks.image_text_files.options import ImageTextOptions
from ablative.trainables.tasks.image_text_files.reader import Understood
from ablative.trainables.tasks.image_text_files.reader import understood
from ablative.trainables.tasks.image_text_files.rows import columns_of

_MOST = 20
"""Most classes and files to name."""
_HOW = {
    "folder": "as their folders or files say",
    "column": "as the column {column} says",
    "pictures": "as the pictures' folders say",
    "hash": "by a hash of the pictures' names",
}


def told(place: TaskFolder) -> list[str]:
    """Return the lines. Raises `MissingData` or `UnreadableData` for files that cannot be understood."""
    whole = understood(place)
    options = place.options if isinstance(place.options, ImageTextOptions) else ImageTextOptions()
    return [*_lines(place.path, whole, options)]


def _lines(folder: Path, whole: Understood, options: ImageTextOptions) -> Iterator[str]:
    paths = [file.path for file in whole.files]
    more = f" and {len(paths) - _MOST:,} more" if len(paths) > _MOST else ""
    yield "read from: " + ", ".join(path.relative_to(folder).as_posix() for path in paths[:_MOST]) + more
    yield from _columns(paths[0], options)
    inside = paths[0].suffix == ".parquet" and holds_pictures(schema_of(paths[0]))
    where = f"inside these files, in the column {COLUMN}" if inside else "files or tar shards"
    yield f"pictures: {where}, such as {whole.first or 'none'}"
    how = _HOW[whole.by].format(column=options.split_column)
    carved = " and ".join(whole.carved)
    if carved and whole.by != "hash":
        how += f"; {carved} taken out of train by a hash of the pictures' names"
    yield f"splits: {_counted(whole.splits)} rows; {how}"
    yield f"classes: {len(whole.labels)}, with their rows of train: {_counted(whole.labels)}"
    if options.shift.split:
        of = f"{options.shift.column} is {' or '.join(options.shift.values)}"
        yield f"shifted test: {options.shift.split}, the rows whose {of}"
    yield f"metrics: accuracy, macro_f1, {', '.join(metric_names(tuple(whole.labels))[:_MOST])}"


def _columns(path: Path, options: ImageTextOptions) -> Iterator[str]:
    wanted = [options.file_name_column, options.text_column, options.label_column, options.split_column, COLUMN]
    wanted += [options.shift.column] if options.shift.column else []
    there = columns_of(path)
    unread = [name for name in there if name not in wanted]
    used = ", ".join(name for name in there if name in wanted)
    yield f"columns: {used}" + (f"; not read: {', '.join(unread)}" if unread else "")


def _counted(counts: Mapping[str, int]) -> str:
    named = ", ".join(f"{name} {rows:,}" for name, rows in list(counts.items())[:_MOST])
    return named + (f" and {len(counts) - _MOST:,} more" if len(counts) > _MOST else "")
