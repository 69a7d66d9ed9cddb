"""The rows of CSV, JSON lines and Parquet, in one form: each with its number and its values by column."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from itertools import chain
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablative.trainables.data.json_text import opened
from ablative.trainables.data.json_text import storable
from ablative.trainables.data.picture_tables import COLUMN
from ablative.trainables.data.picture_tables import holds_pictures
from ablative.trainables.data.picture_tables import naming_columns
from ablative.trainables.data.picture_tables import schema_of
from ablative.trainables.data.reading import Row
from ablative.trainables.data.reading import count
from ablative.trainables.data.reading import lines
from ablative.trainables.errors import UnreadableData
from ablative.trainables.file_digests import Stamp
from ablative.trainables.file_digests import stamp_of
from ablative.trainables.strangers import parsing

_LOOKED_AT = 100
"""Rows of JSON lines from which their columns are taken."""
_OTHER_MARKS = (";", "\t", "|")
_SAVE = "save the file as UTF-8"


def numbered_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line of the file, or row of Parquet, from 1; row, or the exception that it caused).

    Raises `UnreadableData` for a file that cannot be read at all.
    """
    if path.suffix == ".csv":
        yield from _csv(path)
    elif path.suffix == ".jsonl":
        yield from lines(path)
    else:
        yield from _parquet(path)


def columns_of(path: Path) -> tuple[str, ...]:
    """Return the columns of a file. Raises `UnreadableData`."""
    return _columns(path, stamp_of(path.stat()))


def about(path: Path) -> int:
    """Return the approximate number of rows in a file."""
    if path.suffix == ".parquet":
        with parsing(f"{path}: not a Parquet file", "get the file again"):
            return int(pq.read_metadata(path).num_rows)
    return max(0, count(path, b"\n") - (path.suffix == ".csv"))


def require_columns(path: Path, wanted: dict[str, str]) -> None:
    """Raise `UnreadableData` for the first missing column among `wanted` (column -> option that names it)."""
    there = columns_of(path)
    for column, option in wanted.items():
        if column in there:
            continue
        mark = next((mark for mark in _OTHER_MARKS if len(there) == 1 and mark in there[0]), None)
        if mark:
            raise UnreadableData(f"{path}: its fields are separated by {mark!r}; save it with commas between them")
        near = get_close_matches(column.lower(), {name.lower(): name for name in there}, n=1, cutoff=0.5)
        meant = next((name for name in there if near and name.lower() == near[0]), None)
        remedy = f"rename {meant}" if meant else "add it"
        raise UnreadableData(
            f"{path}: no column {column}; there are {', '.join(there) or 'none'}: {remedy}, or say which column it is "
            f"by task.image_text.{option}"
        )


def class_names(path: Path, column: str) -> tuple[str, ...]:
    """Return the names for the numbers in a Parquet column, as Hugging Face writes them; empty elsewhere."""
    if path.suffix != ".parquet":
        return ()
    written = (schema_of(path).metadata or {}).get(b"huggingface")
    if written is None:
        return ()
    with parsing(f"{path}: metadata `huggingface` of its schema", "write the file again"):
        feature = json.loads(written).get("info", {}).get("features", {}).get(column)
        return tuple(map(str, feature["names"])) if isinstance(feature, dict) and feature.get("names") else ()


@lru_cache(maxsize=64)
def _columns(path: Path, _: Stamp) -> tuple[str, ...]:
    if path.suffix == ".parquet":
        return tuple(schema_of(path).names)
    if path.suffix == ".csv":
        with parsing(f"{path}: no CSV", _SAVE), opened(path) as file:
            header = next(csv.reader(file), [])
            return tuple(storable("".join(header), header))
    rows = (row for _, row in islice(lines(path), _LOOKED_AT) if isinstance(row, dict))
    return tuple(dict.fromkeys(chain.from_iterable(rows)))


def _csv(path: Path) -> Iterator[tuple[int, Any]]:
    header = columns_of(path)
    with parsing(f"{path}: no CSV", "save it again, as CSV with commas"), opened(path) as file:
        reader = csv.reader(file)
        next(reader, None)
        before = reader.line_num
        for fields in reader:
            if fields:
                yield before + 1, _of_fields(header, fields)
            before = reader.line_num


def _of_fields(header: tuple[str, ...], fields: list[str]) -> Row | Exception:
    if len(fields) != len(header):
        return ValueError(
            f"{len(fields)} fields, but the first line has {len(header)}; put texts with commas in quotes"
        )
    try:
        return dict(zip(header, storable("".join(fields), fields), strict=True))
    except ValueError as error:
        return ValueError(f"{error}; {_SAVE}")


def _parquet(path: Path) -> Iterator[tuple[int, Row]]:
    schema = schema_of(path)
    columns = [field.name for field in schema if not _is_picture(field)]
    if holds_pictures(schema):
        columns += [name for name in naming_columns(schema) if name not in columns]
    with parsing(str(path), "get the file again"), pq.ParquetFile(path) as file:
        batches = (batch.to_pylist() for batch in file.iter_batches(columns=columns))
        yield from enumerate(chain.from_iterable(batches), start=1)


def _is_picture(field: pa.Field) -> bool:
    return field.name == COLUMN and holds_pictures(pa.schema([field]))
