"""One table of one study as Parquet files: a small file a trial, and one merged file of compacted trials.

Readers look at the small files first and at the merged file afterwards, and a small file outweighs a merged row.
Compaction puts the merged file in place before it removes small ones. So no reader sees a row missing or twice.

Rows of a small file are checked one by one before they count. A merged file holds only such rows, under checksums: of
it the version and the columns are looked at, and its pages are compared with their checksums.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from orchestrator.errors import StoreError
from orchestrator.folder import Folder
from orchestrator.records import RECORD_SCHEMA
from orchestrator.records import RECORD_VERSION
from orchestrator.records import records_of
from orchestrator.records import with_later_columns

_SUFFIX = ".parquet"
_MERGED_AT_ONCE = 500
"""Rows of the merged file that are in memory while it is written anew."""


class TableFiles:
    """The files of one table; what cannot be read is named in `problems`, skipped, and never removed."""

    def __init__(self, folder: Folder, study: str, name: str, schema: pa.Schema, problems: list[str]) -> None:
        self._folder = folder
        self._small = f"{study}/{name}"
        self._merged = f"{study}/compacted/{name}{_SUFFIX}"
        self._schema = schema
        self._problems = problems

    def put(self, trial_id: str, rows: pa.Table) -> None:
        """Write the rows of one trial, over those that are there; no rows leave no file."""
        if rows.num_rows:
            self._folder.write(f"{self._small}/{trial_id}{_SUFFIX}", _as_parquet(rows))

    def ids(self) -> set[str]:
        """Return the ids of all trials that have a file or a merged row."""
        small = {_trial(path) for path in self._paths()}
        return small | self.merged_ids()

    def merged_ids(self) -> set[str]:
        """Return the ids of the trials in the merged file."""
        merged = self._table(self._merged)
        return set() if merged is None else set(merged["trial_id"].to_pylist())

    def has_small(self, trial_id: str) -> bool:
        """Return whether the trial has a file of its own."""
        return self._folder.exists(f"{self._small}/{trial_id}{_SUFFIX}")

    def read(self) -> pa.Table:
        """Return all rows in the table's schema, in order of trial id, a trial's rows in the order written."""
        return self._with_merged(self._readable().values())

    def rows_of(self, trial_id: str) -> pa.Table:
        """Return the rows of one trial."""
        small = self._table(f"{self._small}/{trial_id}{_SUFFIX}")
        if small is not None:
            return small
        merged = self._table(self._merged)
        return self._schema.empty_table() if merged is None else merged.filter(is_in(merged, [trial_id]))

    def compact(self) -> int:
        """Merge the small files that can be read; return how many. Raises StoreError if the merged file cannot."""
        readable = self._readable()
        if not readable:
            return 0
        self._folder.write(self._merged, self._merged_with(pa.concat_tables(readable.values())))
        for path in readable:
            self._folder.remove(path)
        return len(readable)

    def _merged_with(self, rows: pa.Table) -> pa.Buffer:
        """Return the merged file as it is with `rows`: what it holds goes through memory a few rows at a time."""
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, self._schema, compression="zstd", write_page_checksum=True) as writer:
            try:
                for kept in self._merged_batches(rows["trial_id"].to_pylist()):
                    writer.write_table(kept)
            except (pa.ArrowException, StoreError, OSError) as error:
                self._skip(self._merged, str(error).splitlines()[0])
                remedy = "move that file away to compact the rest"
                raise StoreError(f"{self._folder.uri}: {self._problems[-1]}; {remedy}") from error
            writer.write_table(rows.sort_by("trial_id"))
        return sink.getvalue()

    def _merged_batches(self, replaced: Collection[str]) -> Iterator[pa.Table]:
        """Yield the rows of the merged file that are not of the trials `replaced`."""
        content = self._folder.read(self._merged)
        if content is None:
            return
        file = _opened(content)
        for batch in file.iter_batches(_MERGED_AT_ONCE, use_threads=False):
            table = _in_schema(pa.Table.from_batches([batch]), self._schema)
            yield table.filter(pc.invert(is_in(table, replaced)))

    def _readable(self) -> dict[str, pa.Table]:
        """Return the small files that can be read, by path."""
        small = {path: self._table(path) for path in self._paths()}
        return {path: table for path, table in small.items() if table is not None}

    def _with_merged(self, small: Iterable[pa.Table]) -> pa.Table:
        rows = pa.concat_tables([self._schema.empty_table(), *small])
        merged = self._table(self._merged)
        if merged is not None:
            rows = pa.concat_tables([rows, merged.filter(pc.invert(is_in(merged, rows["trial_id"].to_pylist())))])
        return rows.sort_by("trial_id")

    def _paths(self) -> list[str]:
        names = self._folder.names(self._small)
        for name in names:
            if not name.endswith(_SUFFIX):
                self._skip(f"{self._small}/{name}", "not a file of this store")
        return [f"{self._small}/{name}" for name in names if name.endswith(_SUFFIX)]

    def _table(self, path: str) -> pa.Table | None:
        content = self._folder.read(path)
        if content is None:
            return None
        try:
            table = _in_schema(_opened(content).read(use_threads=False), self._schema)
            if path != self._merged:
                _check_rows(table, _trial(path))
        except (pa.ArrowException, StoreError, ValidationError, OSError) as error:
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


def _in_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return `table` in `schema`; of a record, the version is looked at before any other column."""
    if schema is RECORD_SCHEMA:
        _check_version(table)
        table = with_later_columns(table)
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise StoreError(f"it has no column {', '.join(missing)}")
    return table.select(schema.names).cast(schema)


def _check_rows(table: pa.Table, trial_id: str) -> None:
    if set(table["trial_id"].to_pylist()) - {trial_id}:
        raise StoreError("it holds another trial than its name says")
    if table.schema.equals(RECORD_SCHEMA):
        records_of(table)


def _check_version(table: pa.Table) -> None:
    if "record_version" not in table.column_names:
        raise StoreError("it has no column record_version, so it is not a record")
    newest = pc.max(table["record_version"]).as_py() or 0
    if newest > RECORD_VERSION:
        raise StoreError(f"record_version {newest} is newer than this program reads ({RECORD_VERSION}); update it")


def _opened(content: pa.Buffer) -> pq.ParquetFile:
    # The file is in memory already: read-ahead would take three times as long as reading it.
    return pq.ParquetFile(pa.BufferReader(content), pre_buffer=False, page_checksum_verification=True)


def _as_parquet(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _trial(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(_SUFFIX)
