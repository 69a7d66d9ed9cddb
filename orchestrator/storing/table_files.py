"""One table of one study as files: a small Arrow file per trial, and one merged Parquet file of compacted trials.

A small file is an Arrow stream under gzip's checksum; for one row, Parquet takes three times the space and eight times
the time to read.

Readers look at the small files first and at the merged file afterwards, and a small file outranks a merged row.
Compaction puts the merged file in place before it removes small ones. So no reader sees a row missing or twice.

Rows of a small file are checked one by one before they count. A merged file holds only such rows, under checksums. So
only its version and columns are checked, and its pages are compared with their checksums.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.records import PREDICTION_SCHEMA
from ablative.orchestrator.storing.records import RECORD_SCHEMA
from ablative.orchestrator.storing.records import RECORD_VERSION
from ablative.orchestrator.storing.records import of_this_version
from ablative.orchestrator.storing.records import predictions_of_this_version
from ablative.orchestrator.storing.records import records_of

_SUFFIX = ".arrow.gz"
_EARLIER = ".parquet"
"""Suffix of small files until November 2026; a file of the same trial with today's suffix outranks it."""
_UNREADABLE = (pa.ArrowException, StoreError, OSError, EOFError, zlib.error)
_FILES_AT_ONCE = 4
"""Small files of object storage read side by side: most of the time is waiting. On a disk none of it is."""
_COMBINED = 100
"""Small files whose rows are joined before more are read."""
_ROW_GROUP = 1000
"""Records of the merged file read or written together."""
_ROW_GROUP_OF_POINTS = 50_000
"""The same for curves and predictions, whose rows are small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Small:
    """The readable contents of the small files."""

    trials: tuple[str, ...]
    rows: pa.Table


class TableFiles:
    """The files of one table; unreadable ones are named in `problems`, skipped, and never removed."""

    def __init__(self, folder: Folder, study: str, name: str, schema: pa.Schema, problems: list[str]) -> None:
        self._folder = folder
        self._small = f"{study}/{name}"
        self._merged = f"{study}/compacted/{name}.parquet"
        self._schema = schema
        self._row_group = _ROW_GROUP if schema is RECORD_SCHEMA else _ROW_GROUP_OF_POINTS
        self._problems = problems

    def put(self, trial_id: str, rows: pa.Table) -> None:
        """Write the rows of one trial, replacing existing ones; without rows no file is left."""
        if rows.num_rows:
            self._folder.write(self._path(trial_id), _as_stream(rows))

    def ids(self) -> set[str]:
        """Return the ids of all trials that have a file or a merged row."""
        return set(self._paths()) | self.merged_ids()

    def merged_ids(self) -> set[str]:
        """Return the ids of the trials in the merged file."""
        merged = self._table(self._merged, ["trial_id"])
        return set() if merged is None else set(merged["trial_id"].to_pylist())

    def has_small(self, trial_id: str) -> bool:
        """Return whether the trial has a file of its own.

        On object storage only in this version's form, for one request.
        """
        suffixes = (_SUFFIX, _EARLIER) if self._folder.is_local else (_SUFFIX,)
        return any(self._folder.exists(self._path(trial_id, suffix)) for suffix in suffixes)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return all rows in the table's schema, in order of trial id, a trial's rows in the order written.

        With `columns`, only these are read from the merged file.
        """
        return self._with_merged(self._readable(), columns or self._schema.names)

    def parts(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield `columns` of all rows, some at a time and in no order: for tables that memory may not hold."""
        seen: set[str] = set()
        for trial, path in self._paths().items():
            small = self._table(path)
            if small is not None and self._valid(small, path):
                seen.add(trial)
                yield small.select(columns)
        content = self._folder.read(self._merged)
        if content is None:
            return
        try:
            read = list(dict.fromkeys(["trial_id", *columns]))
            for batch in _opened(content).iter_batches(self._row_group, columns=_read_for(read), use_threads=False):
                table = _in_schema(pa.Table.from_batches([batch]), self._schema, read)
                yield table.filter(pc.invert(is_in(table, seen))).select(columns)
        except _UNREADABLE as error:
            self._skip(self._merged, str(error).splitlines()[0])

    def check(self) -> None:
        """Name every unreadable file: reads the small ones whole, and opens the merged one."""
        for path in self._paths().values():
            self._table(path)
        self._table(self._merged, ["trial_id"])

    def rows_of(self, trial_id: str) -> pa.Table:
        """Return the rows of one trial."""
        for path in (self._path(trial_id), self._path(trial_id, _EARLIER)):
            small = self._table(path)
            if small is not None and self._valid(small, path):
                return small
        merged = self._table(self._merged)
        return self._schema.empty_table() if merged is None else merged.filter(is_in(merged, [trial_id]))

    def compact(self) -> int:
        """Merge the readable small files; return how many. Raises StoreError if the merged file cannot be read.

        Rows already merged pass through memory a few at a time, so the size of the study does not matter.
        """
        small = self._readable()
        if small.trials:
            self.merge(small.rows, small.trials)
        merged = set(small.trials)
        for name in reversed(self._folder.names(self._small)):  # remove outranked files before those that outrank them
            if _trial(name) in merged:
                self._folder.remove(f"{self._small}/{name}")
        return len(small.trials)

    def merge(self, rows: pa.Table, trials: Collection[str]) -> None:
        """Put the rows of `trials` into the merged file, replacing its rows of these trials."""
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, self._schema, compression="zstd", write_page_checksum=True) as writer:
            writer.write_table(rows, self._row_group)
            self._copy_merged(writer, replaced=trials)
        self._folder.write(self._merged, sink.getvalue())

    def _copy_merged(self, writer: pq.ParquetWriter, replaced: Collection[str]) -> None:
        content = self._folder.read(self._merged)
        if content is None:
            return
        try:
            for batch in _opened(content).iter_batches(self._row_group, use_threads=False):
                table = _in_schema(pa.Table.from_batches([batch]), self._schema, self._schema.names)
                writer.write_table(table.filter(pc.invert(is_in(table, replaced))))
        except _UNREADABLE as error:
            self._skip(self._merged, str(error).splitlines()[0])
            remedy = "move that file away to compact the rest"
            raise StoreError(f"{self._folder.uri}: {self._problems[-1]}; {remedy}") from error

    def _readable(self) -> _Small:
        """Return the readable small files."""
        paths = list(self._paths().values())
        trials: list[str] = []
        rows = [self._schema.empty_table()]
        with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            each = map if self._folder.is_local else pool.map
            for start in range(0, len(paths), _COMBINED):
                some = paths[start : start + _COMBINED]
                found = dict(zip(some, each(self._table, some), strict=True))
                known = {path: table for path, table in found.items() if table is not None}
                together = self._combined(known)
                if not self._valid(together):
                    known = {path: table for path, table in known.items() if self._valid(table, path)}
                    together = self._combined(known)
                trials += map(_trial, known)
                rows.append(together)
        return _Small(trials=tuple(trials), rows=pa.concat_tables(rows))

    def _combined(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        # A table of one row takes twenty times the memory of the row.
        return pa.concat_tables([self._schema.empty_table(), *tables.values()]).combine_chunks()

    def _valid(self, rows: pa.Table, path: str | None = None) -> bool:
        """Return whether rows of small files may count; for the one at `path`, report why not."""
        try:
            if self._schema is RECORD_SCHEMA:
                records_of(rows)
        except ValidationError as error:
            if path is not None:
                self._skip(path, str(error).splitlines()[0])
            return False
        return True

    def _with_merged(self, small: _Small, columns: Sequence[str]) -> pa.Table:
        rows, merged = small.rows.select(columns), self._table(self._merged, columns)
        if merged is not None:
            rows = pa.concat_tables([rows, merged.filter(pc.invert(is_in(merged, small.trials)))])
        return rows.sort_by("trial_id")

    def _path(self, trial_id: str, suffix: str = _SUFFIX) -> str:
        return f"{self._small}/{trial_id}{suffix}"

    def _paths(self) -> dict[str, str]:
        """Return trial id -> path of the small files, sorted; also reports files that do not belong to this store."""
        found: dict[str, str] = {}
        for name in self._folder.names(self._small):
            if name.endswith((_SUFFIX, _EARLIER)):
                found.setdefault(_trial(name), f"{self._small}/{name}")  # "….arrow.gz" comes before "….parquet"
            else:
                self._skip(f"{self._small}/{name}", "not a file of this store")
        return found

    def _table(self, path: str, columns: Sequence[str] | None = None) -> pa.Table | None:
        content = self._folder.read(path)
        if content is None:
            return None
        try:
            if path.endswith(_SUFFIX):
                table = _from_stream(content)
            else:
                read = None if columns is None else _read_for(columns)
                table = _opened(content).read(columns=read, use_threads=False)
            table = _in_schema(table, self._schema, columns or self._schema.names)
            if path != self._merged and set(table["trial_id"].to_pylist()) - {_trial(path)}:
                raise StoreError("it holds another trial than its name says")
        except _UNREADABLE as error:
            self._skip(path, str(error).splitlines()[0])
            return None
        return table

    def _skip(self, path: str, reason: str) -> None:
        problem = f"{path}: skipped, {reason}"
        if problem not in self._problems:
            self._problems.append(problem)


def is_in(table: pa.Table, trial_ids: Collection[str]) -> pa.ChunkedArray:
    """Return for each row whether its trial is one of `trial_ids`."""
    return pc.is_in(table["trial_id"], value_set=pa.array(sorted(set(trial_ids)), pa.string()))


def _in_schema(table: pa.Table, schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """Return `columns` of `table` in `schema`; for a record, checks the version before any other column."""
    if schema is RECORD_SCHEMA:
        _check_version(table)
    if columns == schema.names and table.schema.equals(schema):  # nearly always; the rest takes as long as reading
        return table
    if schema is RECORD_SCHEMA:
        table = of_this_version(table)
    if schema is PREDICTION_SCHEMA:
        table = predictions_of_this_version(table)
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise StoreError(f"it has no column {', '.join(missing)}")
    wanted = pa.schema([schema.field(name) for name in columns])
    table = table.select(columns)
    return table if table.schema.equals(wanted) else table.cast(wanted)


def _read_for(columns: Sequence[str]) -> list[str]:
    """Return the columns to read for `columns`: in earlier versions, some explain others."""
    needed = {"dirty": ("commit",)}
    return list(dict.fromkeys([*columns, "record_version", *(name for c in columns for name in needed.get(c, ()))]))


def _check_version(table: pa.Table) -> None:
    if "record_version" not in table.column_names:
        raise StoreError("it has no column record_version, so it is not a record")
    versions = table["record_version"]
    newest = pc.max(versions).as_py() or 0 if len(versions) > 1 else max(versions.to_pylist(), default=0)
    if newest > RECORD_VERSION:
        raise StoreError(f"record_version {newest} is newer than this program reads ({RECORD_VERSION}); update it")


def _opened(content: pa.Buffer) -> pq.ParquetFile:
    # The file is in memory already: read-ahead would take three times as long as reading it.
    return pq.ParquetFile(pa.BufferReader(content), pre_buffer=False, page_checksum_verification=True)


def _as_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return gzip.compress(sink.getvalue(), compresslevel=1, mtime=0)


def _from_stream(content: pa.Buffer) -> pa.Table:
    table = pa.ipc.open_stream(gzip.decompress(content)).read_all()
    table.validate(full=True)  # a checksum shows damage, not malice
    return table


def _trial(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(_SUFFIX).removesuffix(_EARLIER)
