"""Which files of a folder describe its pictures, in the ways of Hugging Face's ImageFolder. Imports no torch.

They are, in this order: `metadata.csv`, `.jsonl` or `.parquet`; the same in folders of splits (`train/metadata.csv`);
Parquet files with the pictures inside, in the folder itself, in `data/`, or in folders of splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ablative.trainables.data.names import METADATA
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData

SPLITS = {"train": "train", "val": "val", "validation": "val", "valid": "val", "dev": "val", "test": "test"}
"""Spelling of a split -> the split."""
NAMES = ("metadata.csv", "metadata.jsonl", METADATA)
REMEDY = (
    "write metadata.csv, metadata.jsonl or metadata.parquet beside the pictures, with the columns file_name, text and "
    'label; docs/data.md, "Your own pictures and texts"'
)
_START = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsFile:
    """A file whose rows name pictures."""

    path: Path
    split: str = ""
    """The split that its folder or its name gives; empty: its rows or their pictures decide."""
    prefix: str = ""
    """Prefix of the pictures' names, which are relative to the file."""


def rows_files(folder: Path) -> tuple[RowsFile, ...]:
    """Return the files of a folder, for all splits.

    Raises:
        MissingData: there are none, or none for train.
        UnreadableData: two of them describe the same rows, or one does not give its split.
    """
    found = found_files(folder)
    if not found:
        raise MissingData(f"{folder}: no metadata; {REMEDY}")
    seen: dict[Path, Path] = {}
    for file in found:
        if file.path.name in NAMES and seen.setdefault(file.path.parent, file.path) != file.path:
            both = f"{seen[file.path.parent].name} and {file.path.name}"
            raise UnreadableData(f"{file.path.parent}: both {both} exist; keep one of them")
    splits = {file.split for file in found}
    if len(splits) > 1 and "" in splits:
        lost = next(file.path for file in found if not file.split)
        raise UnreadableData(
            f"{lost}: its name does not say its split, but names beside it do; begin it with train, val or "
            "test, or move it away"
        )
    if "" not in splits and "train" not in splits:
        raise MissingData(f"{folder}: there is {' and '.join(sorted(splits))}, and no train; {REMEDY}")
    return found


def found_files(folder: Path) -> tuple[RowsFile, ...]:
    """Return the files of a folder without checks: there may be none, or two that describe the same rows."""
    for look in (_whole, _of_splits, _parquet):
        if found := tuple(look(folder)):
            return found
    return ()


def _whole(folder: Path) -> Iterator[RowsFile]:
    yield from (RowsFile(path=folder / name) for name in NAMES if (folder / name).is_file())


def _of_splits(folder: Path) -> Iterator[RowsFile]:
    for place, split in SPLITS.items():
        for name in NAMES:
            if (folder / place / name).is_file():
                yield RowsFile(path=folder / place / name, split=split, prefix=f"{place}/")


def _parquet(folder: Path) -> Iterator[RowsFile]:
    for place in (".", "data", *SPLITS):
        for path in sorted((folder / place).glob("*.parquet")):
            start = _START.match(path.name)
            split = SPLITS.get(place) or SPLITS.get(start[0] if start else "", "")
            yield RowsFile(path=path, split=split, prefix=f"{path.relative_to(folder).with_suffix('').as_posix()}/")
