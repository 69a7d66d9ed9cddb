"""Pictures inside Parquet files, as in Hugging Face's data sets, read in place, a row group at a time.

Such a file has a column `image`: bytes, or a struct of `bytes` and `path`. It stands for a folder of pictures.
`metadata.parquet` stands for its own folder; any other, `data/train-00000-of-00001.parquet`, for a folder
`data/train-00000-of-00001`. The column `file_name`, or else `path`, gives a picture's name in that folder. A row
without either is a picture of its own, named by the number of the row.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablative.trainables.data.names import picture_name
from ablative.trainables.errors import UnreadableData
from ablative.trainables.file_digests import Stamp
from ablative.trainables.file_digests import stamp_of
from ablative.trainables.strangers import parsing

COLUMN = "image"
"""Column of the pictures."""
NAME_COLUMN = "file_name"
MOST_BYTES = 512 * 2**20
"""Pictures of a row group: they are in memory together."""
_AGAIN = "get the file again"
_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The place of a picture in a Parquet file."""

    shard: Path
    stamp: Stamp
    rows: tuple[int, ...]
    """Rows with the picture, counted from 0: one for each of its texts."""


def pictures_inside(path: Path) -> dict[str, Cell]:
    """Return name -> place of the pictures in a Parquet file; names are those in the folder that it stands for.

    Empty if the file is missing or has no pictures. Raises `UnreadableData` for a damaged file.
    """
    return _cells(path, stamp_of(path.stat())) if path.is_file() else {}


def schema_of(path: Path) -> pa.Schema:
    """Return the schema of a Parquet file. Raises `UnreadableData`."""
    with parsing(f"{path}: not a Parquet file", _AGAIN):
        return pq.read_schema(path)


def holds_pictures(schema: pa.Schema) -> bool:
    """Return whether a file of this schema has pictures inside."""
    return _bytes_column(schema) is not None


def naming_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that `name_of_row` needs, so that the pictures stay unread."""
    if NAME_COLUMN in schema.names:
        return [NAME_COLUMN]
    kind = schema.field(COLUMN).type
    has_path = pa.types.is_struct(kind) and kind.get_field_index("path") >= 0
    return [f"{COLUMN}.path"] if has_path else []


def name_of_row(row: dict[str, Any], number: int) -> str:
    """Return the name of the picture in a row, the `number`-th from 0. Raises ValueError for an invalid name."""
    if row.get(NAME_COLUMN) is not None:
        return plain_name(row[NAME_COLUMN])
    path = (row.get(COLUMN) or {}).get("path")
    if not path:
        return f"{number}"
    return plain_name(path.rpartition("/")[2] if path.startswith("/") else path)  # from its author's machine


def plain_name(name: Any) -> str:
    """Return a picture's name in its canonical form. Raises ValueError."""
    if isinstance(name, str) and "\\" in name:
        raise ValueError(f"picture {name!r}: use / between folders")
    return posixpath.normpath(picture_name(name))


def content_of(cell: Cell) -> bytes:
    """Return the bytes of a picture. Raises `UnreadableData` if its rows hold none, or different ones."""
    first, *others = (_content(cell, row) for row in cell.rows)
    for row, other in zip(cell.rows[1:], others, strict=True):
        if other != first:
            raise UnreadableData(
                f"{cell.shard}: rows {cell.rows[0] + 1} and {row + 1} hold different pictures under one name; give "
                f"each picture its own, in a column {NAME_COLUMN}"
            )
    return first


def _content(cell: Cell, row: int) -> bytes:
    number = row
    for group, size in enumerate(_group_sizes(cell.shard, cell.stamp)):
        if number < size:
            content = _pictures_of(cell.shard, cell.stamp, group)[number].as_py()
            if content is None:
                raise UnreadableData(f"{cell.shard}: row {row + 1} has no picture; put its bytes into the file")
            return bytes(content)
        number -= size
    raise UnreadableData(f"{cell.shard}: has changed; run the same command again")


@lru_cache(maxsize=16)
def _cells(path: Path, stamp: Stamp) -> dict[str, Cell]:
    schema = schema_of(path)
    if not holds_pictures(schema):
        return {}
    rows: dict[str, list[int]] = {}
    for number, row in enumerate(_named_rows(path, schema)):
        try:
            rows.setdefault(name_of_row(row, number), []).append(number)
        except ValueError:  # the reader of the rows reports it
            continue
    return {name: Cell(shard=path, stamp=stamp, rows=tuple(places)) for name, places in rows.items()}


def _named_rows(path: Path, schema: pa.Schema) -> Iterator[dict[str, Any]]:
    columns = naming_columns(schema)
    with parsing(str(path), _AGAIN), pq.ParquetFile(path) as file:
        if not columns:
            yield from ({} for _ in range(file.metadata.num_rows))
            return
        for batch in file.iter_batches(columns=columns):
            yield from batch.to_pylist()


@lru_cache(maxsize=64)
def _group_sizes(path: Path, _: Stamp) -> tuple[int, ...]:
    with parsing(str(path), _AGAIN), pq.ParquetFile(path) as file:
        return tuple(file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))


@lru_cache(maxsize=2)
def _pictures_of(path: Path, _: Stamp, group: int) -> pa.ChunkedArray:
    column = _bytes_column(schema_of(path))
    assert column is not None
    with parsing(str(path), _AGAIN), pq.ParquetFile(path) as file:
        size = file.metadata.row_group(group).total_byte_size
        if size > MOST_BYTES:
            raise UnreadableData(
                f"{path}: row group {group + 1} has {size:,} bytes, and at most {MOST_BYTES:,} are read at once; "
                "write the file in smaller ones: pyarrow.parquet.write_table(table, path, row_group_size=100)"
            )
        found = file.read_row_group(group, columns=[column]).column(COLUMN)
        return found if column == COLUMN else pa.chunked_array([chunk.field("bytes") for chunk in found.chunks])


def _bytes_column(schema: pa.Schema) -> str | None:
    """Return the path of the column with the bytes of pictures; None without one."""
    if COLUMN not in schema.names:
        return None
    kind = schema.field(COLUMN).type
    if any(is_binary(kind) for is_binary in _BINARY):
        return COLUMN
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        inner = kind.field(kind.get_field_index("bytes")).type
        return f"{COLUMN}.bytes" if any(is_binary(inner) for is_binary in _BINARY) else None
    return None
