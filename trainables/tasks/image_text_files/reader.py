"""Reads a folder of pictures, texts and labels. Imports no torch.

The split of a row is decided for its picture, so no picture is in two of train, val and test. A column decides it, or
the row's folder or file, else a hash of the picture's name.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any
from typing import NamedTuple

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import Text
from ablative.trainables.data.names import METADATA
from ablative.trainables.data.picture_tables import COLUMN
from ablative.trainables.data.picture_tables import holds_pictures
from ablative.trainables.data.picture_tables import name_of_row
from ablative.trainables.data.picture_tables import plain_name
from ablative.trainables.data.picture_tables import schema_of
from ablative.trainables.data.reading import BadRows
from ablative.trainables.data.reading import Row
from ablative.trainables.data.reading import good_rows
from ablative.trainables.data.reading import identifier
from ablative.trainables.data.reading import read_rows
from ablative.trainables.data.sources import CARVED_PERCENT
from ablative.trainables.data.sources import percentile
from ablative.trainables.data.tokens import lowered
from ablative.trainables.data.tokens import plain_text
from ablative.trainables.errors import UnreadableData
from ablative.trainables.file_digests import Stamp
from ablative.trainables.file_digests import stamp_of
from ablative.trainables.parts.task import Reading
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.tasks.image_text_files.files import SPLITS
from ablative.trainables.tasks.image_text_files.files import RowsFile
from ablative.trainables.tasks.image_text_files.files import rows_files
from ablative.trainables.tasks.image_text_files.options import ImageTextOptions
from ablative.trainables.tasks.image_text_files.rows import class_names
from ablative.trainables.tasks.image_text_files.rows import columns_of
from ablative.trainables.tasks.image_text_files.rows import numbered_rows
from ablative.trainables.tasks.image_text_files.rows import require_columns

USUAL = ("train", "val", "test")
By = str
"""How a folder gives its splits: `folder` of the file, `column`, `pictures` (folder of their names) or `hash`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The contents of a row."""

    image: str
    """Relative to the image folder."""
    key: str
    """The picture's name as in the row; splits are carved by it."""
    text: str
    label: str
    split: str
    """From its column; empty without one."""
    is_shifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """The known facts about a folder as a whole."""

    files: tuple[RowsFile, ...]
    by: By
    carved: tuple[str, ...]
    """Which of val and test are carved out of train by a hash."""
    splits: dict[str, int]
    """Split -> its rows."""
    labels: dict[str, int]
    """Label -> its rows of train, sorted."""
    first: str
    """The first picture; empty without one."""


@dataclass(slots=True)
class _Seen:
    """The rows of a file before the present one."""

    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    """(Picture, text) -> label."""
    split_of: dict[str, str] = field(default_factory=dict)
    """Picture -> split, if a column gives it."""
    times: Counter[str] = field(default_factory=Counter)
    """Picture -> its rows."""


def classes(place: TaskFolder) -> tuple[str, ...]:
    """Return the labels of train, sorted. Raises `UnreadableData` if there are fewer than two."""
    found = tuple(understood(place).labels)
    if len(found) < 2:
        said = f"one label, {found[0]}" if found else "no row that can be read"
        raise UnreadableData(f"{place.path}: train has {said}; a student needs at least two labels")
    return found


def read(reading: Reading) -> Iterator[Example]:
    """Yield the examples of a split, one per row; of all rows if no split is given."""
    place = reading.folder
    whole = understood(place)
    prefix_of = {file.path: file for file in whole.files}
    for path in reading.source.files:
        yield from _read(prefix_of[path], whole, reading)


def _read(file: RowsFile, whole: Understood, reading: Reading) -> Iterator[Example]:
    options, seen = _options(reading.folder), _Seen()
    says, known = _Row(file, options), {name: number for number, name in enumerate(reading.classes)}

    def make(row: Row) -> list[Example]:
        said = says(row)
        split = _kind_of(said, file).split(whole.by, whole.carved, options)
        name = _checked(said, split, seen)
        if reading.classes and said.label not in known:
            raise ValueError(_unknown(said.label, split, reading.classes))
        if reading.split and split != reading.split:
            return []
        return [
            Example(
                id=name,
                image=said.image,
                candidates=(Candidate(query=Text(text=said.text)),),
                targets=((known.get(said.label, 0), 1.0),),
                stratum=said.label,
                group=name,
                slices=reading.slices.get(name, ()),
            )
        ]

    return read_rows(file.path, numbered_rows(file.path), make)


class _Row:
    """Interprets the rows of one file."""

    def __init__(self, file: RowsFile, options: ImageTextOptions) -> None:
        self._file, self._options = file, options
        self._inside = file.path.suffix == ".parquet" and holds_pictures(schema_of(file.path))
        if file.path.suffix == ".parquet" and file.path.name != METADATA and not self._inside:
            raise UnreadableData(
                f"{file.path}: no column {COLUMN} with pictures; name the file {METADATA} if these lie beside it"
            )
        self._number = 0
        shift = options.shift.column
        wanted = {options.text_column: "text_column", options.label_column: "label_column"}
        if not self._inside:
            wanted = {options.file_name_column: "file_name_column", **wanted}
        require_columns(file.path, wanted | ({shift: "shift.column"} if shift else {}))
        self._splits = options.split_column if options.split_column in columns_of(file.path) else None
        self._names = class_names(file.path, options.label_column)

    def __call__(self, row: Row) -> Said:
        """Return the contents of a row. Raises ValueError, KeyError."""
        options, number = self._options, self._number
        self._number += 1  # Parquet gives all rows here, in their order
        key = name_of_row(row, number) if self._inside else plain_name(row[options.file_name_column])
        split = "" if self._splits is None or self._file.split else _written_split(row[self._splits], self._splits)
        shift = options.shift
        return Said(
            image=self._file.prefix + key,
            key=key,
            text=_text(row[options.text_column], options.text_column),
            label=self._label(row[options.label_column]),
            split=split,
            is_shifted=shift.column is not None and _plain(row[shift.column]) in shift.values,
        )

    def _label(self, value: Any) -> str:
        column = self._options.label_column
        if self._names and isinstance(value, int) and not isinstance(value, bool):
            if not 0 <= value < len(self._names):
                last = len(self._names) - 1
                raise ValueError(f"{column} is {value}, and the file names 0 to {last}; remove rows without a label")
            return self._names[value]
        plain = _plain(value)
        if plain is None or plain == "":
            raise ValueError(f"{column} is empty; give the row a label, or remove it")
        return identifier(plain, column)


def _plain(value: Any) -> Any:
    """Return a text stripped of blanks; numbers and Booleans become text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value.strip() if isinstance(value, str) else value


def _text(value: Any, column: str) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{column} is {value!r}, expected a text")
    text = plain_text(value or "")
    if not text:
        raise ValueError(f"{column} is empty; give the picture a text, or remove the row")
    return text


def _written_split(value: Any, column: str) -> str:
    found = SPLITS.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{column} is {value!r}, expected train, val or test")
    return found


def _checked(said: Said, split: str, seen: _Seen) -> str:
    """Return the id of a row: its picture, with a number from the second text on.

    Raises ValueError for a row that contradicts or repeats an earlier one.
    """
    if said.split and seen.split_of.setdefault(said.image, said.split) != said.split:
        raise ValueError(
            f"picture {said.image} is in {seen.split_of[said.image]} already, and in {said.split} here; keep all its "
            "rows in one split"
        )
    key = (said.image, lowered(said.text))
    label = seen.texts.setdefault(key, "")
    if label == said.label:
        raise ValueError(f"picture {said.image} has this text twice; remove one of the rows")
    if label:
        raise ValueError(
            f"picture {said.image} with this text is {label} already, and {said.label} here; keep one of the rows"
        )
    seen.texts[key] = said.label
    seen.times[said.image] += 1
    number = seen.times[said.image]
    return said.image if number == 1 else f"{said.image}#{number}"


def _unknown(label: str, split: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(label, known, n=1)
    meant = f"did you mean {near[0]}?" if near else f"train has {', '.join(known[:10])}"
    return f"label {label!r} of {split} is not among those of train: {meant}"


def _kind_of(said: Said, file: RowsFile) -> _Kind:
    folder = SPLITS.get(posixpath.dirname(said.key).partition("/")[0], "")
    return _Kind(file.split, said.split, folder, _carved(said.key), said.is_shifted)


def _carved(key: str) -> str:
    """Return the split of a picture of train from which val and test are carved."""
    point = percentile(key)
    return "val" if point < CARVED_PERCENT else "test" if point < 2 * CARVED_PERCENT else "train"


def _options(place: TaskFolder) -> ImageTextOptions:
    return place.options if isinstance(place.options, ImageTextOptions) else ImageTextOptions()


def understood(place: TaskFolder) -> Understood:
    """Return the facts about a folder after reading every row.

    Raises `MissingData` or `UnreadableData` for files that cannot be read at all; the reader names bad rows.
    """
    files = rows_files(place.path)
    return _understood(files, tuple(stamp_of(file.path.stat()) for file in files), _options(place))


@lru_cache(maxsize=8)
def _understood(files: tuple[RowsFile, ...], _: tuple[Stamp, ...], options: ImageTextOptions) -> Understood:
    labels: Counter[tuple[_Kind, str]] = Counter()
    first = ""
    for file in files:
        for said in _good(file, options):
            first = first or said.image
            labels[_kind_of(said, file), said.label] += 1
    by = _how(files, {kind for kind, _ in labels})
    told = {kind.told(by) for kind, _ in labels}
    carved = tuple(split for split in ("val", "test") if split not in told)
    splits: Counter[str] = Counter(dict.fromkeys(USUAL, 0))
    of_train: Counter[str] = Counter()
    for (kind, label), rows in labels.items():
        split = kind.split(by, carved, options)
        splits[split] += rows
        if split == "train":
            of_train[label] += rows
    return Understood(
        files=files,
        by=by,
        carved=carved,
        splits=dict(splits),
        labels=dict(sorted(of_train.items())),
        first=first,
    )


class _Kind(NamedTuple):
    """Everything that decides the split of a row."""

    file: str
    """The split that its file or folder gives; empty: none."""
    column: str
    """The split from its column."""
    folder: str
    """The split from the folder in its picture's name."""
    carved: str
    """The split that it would have if both val and test were carved."""
    is_shifted: bool

    def told(self, by: By) -> str:
        """Return the split as declared."""
        return {"folder": self.file, "column": self.column, "pictures": self.folder}.get(by, "train")

    def split(self, by: By, carved: tuple[str, ...], options: ImageTextOptions) -> str:
        """Return the split after carving."""
        if self.is_shifted and options.shift.split:
            return options.shift.split
        told = self.told(by)
        return self.carved if told == "train" and self.carved in carved else told


def _good(file: RowsFile, options: ImageTextOptions) -> Iterator[Said]:
    says = _Row(file, options)
    return good_rows(numbered_rows(file.path), lambda row: [says(row)], BadRows(path=file.path))


def _how(files: tuple[RowsFile, ...], kinds: Collection[_Kind]) -> By:
    if files[0].split:
        return "folder"
    if any(kind.column for kind in kinds):
        return "column"
    folders = {kind.folder for kind in kinds}
    return "pictures" if "train" in folders and "" not in folders else "hash"


def source_files(place: TaskFolder, split: str) -> tuple[Path, ...]:
    """Return the files that a split is read from: its own, those of train if it is carved, else all."""
    files = rows_files(place.path)
    if split not in USUAL:
        return tuple(file.path for file in files)
    own = tuple(file.path for file in files if file.split == split)
    return own or tuple(file.path for file in files if file.split in ("", "train"))
