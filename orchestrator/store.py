"""The store: one Parquet file a trial, below one folder or URI. Append-only but for compaction.

studies/<study>/study.json                      the resolved study and its planned trials
studies/<study>/trials/<trial_id>.parquet       one record; written last, so that it commits the two below
studies/<study>/curves/<trial_id>.parquet
studies/<study>/predictions/<trial_id>.parquet
studies/<study>/compacted/<table>.parquet       many trials in one file, written by `compact`
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from orchestrator.errors import StoreError
from orchestrator.folder import Folder
from orchestrator.plan import PLAN_VERSION
from orchestrator.plan import PlannedCell
from orchestrator.plan import placed
from orchestrator.records import CURVE_SCHEMA
from orchestrator.records import PREDICTION_SCHEMA
from orchestrator.records import RECORD_SCHEMA
from orchestrator.records import RECORD_VERSION
from orchestrator.records import Record
from orchestrator.records import record_table
from orchestrator.records import records_of
from trainables.job import CurvePoint
from trainables.job import Prediction

TableName = Literal["trials", "curves", "predictions"]
SCHEMAS: dict[TableName, pa.Schema] = {
    "trials": RECORD_SCHEMA,
    "curves": CURVE_SCHEMA,
    "predictions": PREDICTION_SCHEMA,
}


class Store:
    """Records, curves and predictions of any number of studies."""

    def __init__(self, folder: Folder) -> None:
        """Read and write below `folder`; use `Store.open` for a path or URI."""
        self._folder = folder
        self._places: dict[str, list[str]] | None = None
        self.problems: list[str] = []
        """Files that were found and skipped, each with its name and the reason; they are never removed."""

    @classmethod
    def open(cls, uri: str) -> Store:
        """Open the store at a local path or URI. Nothing is created before the first write."""
        return cls(Folder(uri))

    @property
    def uri(self) -> str:
        """The path or URI that the store was opened with."""
        return self._folder.uri

    def studies(self) -> list[str]:
        """Return the names of the studies that have something in the store."""
        return self._folder.folders("studies")

    def write_study(self, name: str, content: dict[str, Any]) -> None:
        """Write the resolved study, over what is there."""
        self._folder.write(f"{_at(name)}/study.json", json.dumps(content, indent=2).encode())

    def study(self, name: str) -> dict[str, Any]:
        """Return what `write_study` wrote; raises StoreError if the study is not in the store."""
        path = f"{_at(name)}/study.json"
        content = self._folder.read(path)
        if content is None:
            known = ", ".join(self.studies()) or "none"
            raise StoreError(f"store {self.uri!r}: no study {name!r}; studies in the store: {known}")
        try:
            return dict(json.loads(content.to_pybytes()))
        except ValueError as error:
            raise StoreError(
                f"store {self.uri!r}: {path} is not JSON ({error}); `ablate run` writes it anew"
            ) from error

    def write(
        self, record: Record, curve: tuple[CurvePoint, ...] = (), predictions: tuple[Prediction, ...] = ()
    ) -> None:
        """Write one trial, the record last: a trial without its record does not exist."""
        self._put(record, "curves", _rows(record.trial_id, curve, CURVE_SCHEMA))
        self._put(record, "predictions", _rows(record.trial_id, predictions, PREDICTION_SCHEMA))
        self._put(record, "trials", record_table([record]))
        if self._places is not None:
            studies = self._places.setdefault(record.trial_id, [])
            if record.study not in studies:
                studies.append(record.study)

    def adopt(self, record: Record, source: str) -> None:
        """Write `record`, a trial that the study `source` has run, with the source's curve and predictions."""
        for name in ("curves", "predictions"):
            self._put(record, name, self._rows_of(source, name, record.trial_id))
        self.write(record)

    def records(self, study: str) -> list[Record]:
        """Return every record of the study, in order of trial id."""
        return records_of(self._read(study, "trials"))

    def table(self, study: str, *, current: bool = True) -> pa.Table:
        """Return the records as a table in `RECORD_SCHEMA`, in order of trial id.

        `current` gives each record its place in the study's present plan, and leaves out records that the plan no
        longer holds: of an arm that was changed, or of a setting that a longer search has replaced.
        """
        table = self._read(study, "trials")
        cells = self.plan(study) if current else None
        return table if cells is None else placed(table, cells).sort_by("trial_id")

    def curves(self, study: str) -> pa.Table:
        """Return the curves of all recorded trials, in `CURVE_SCHEMA`."""
        return self._recorded(study, "curves")

    def predictions(self, study: str) -> pa.Table:
        """Return the per-example predictions of all recorded trials, in `PREDICTION_SCHEMA`."""
        return self._recorded(study, "predictions")

    def plan(self, study: str) -> list[PlannedCell] | None:
        """Return the study's present plan as far as it is decided; None if the store has none."""
        path = f"{_at(study)}/study.json"
        if not self._folder.exists(path):
            return None
        content = self.study(study)
        if content.get("plan_version") != PLAN_VERSION:
            self._skip(path, f"plan_version {content.get('plan_version')} is not {PLAN_VERSION}")
            return None
        return [PlannedCell.model_validate(cell) for cell in content["cells"]]

    def find(self, trial_id: str) -> Record | None:
        """Return a completed record of the trial from any study, otherwise a failed one, or None."""
        if self._places is None:
            self._places = self._all_places()
        found = [self._record(study, trial_id) for study in self._places.get(trial_id, [])]
        known = sorted((record for record in found if record), key=lambda record: not record.completed)
        return known[0] if known else None

    def compact(self, study: str) -> int:
        """Merge the study's small files into one a table; return how many trials were merged.

        The merged file is in place before the small ones go, and readers look at small files first and drop
        doubles, so that no reader sees a row missing or twice.
        """
        if study not in self.studies():
            raise StoreError(f"store {self.uri!r}: no study {study!r}; studies: {', '.join(self.studies()) or 'none'}")
        merged = 0
        tables: tuple[TableName, ...] = ("curves", "predictions", "trials")
        for name in tables:
            small = self._small_files(study, name)
            readable = [path for path in small if self._table_at(path, SCHEMAS[name]) is not None]
            if not readable:
                continue
            merged_path = _compacted(study, name)
            if self._folder.exists(merged_path) and self._table_at(merged_path, SCHEMAS[name]) is None:
                raise StoreError(f"store {self.uri!r}: {merged_path} cannot be read; move it away to compact the rest")
            self._folder.write(_compacted(study, name), _as_parquet(self._read(study, name)))
            for path in readable:
                self._folder.remove(path)
            merged = len(readable) if name == "trials" else merged
        return merged

    def _put(self, record: Record, name: TableName, rows: pa.Table) -> None:
        if rows.num_rows:
            self._folder.write(f"{_at(record.study)}/{name}/{record.trial_id}.parquet", _as_parquet(rows))

    def _small_files(self, study: str, name: TableName) -> list[str]:
        folder = f"{_at(study)}/{name}"
        paths = [f"{folder}/{file}" for file in self._folder.names(folder)]
        for path in paths:
            if not path.endswith(".parquet"):
                self._skip(path, "not a Parquet file of this store")
        return [path for path in paths if path.endswith(".parquet")]

    def _read(self, study: str, name: TableName) -> pa.Table:
        schema = SCHEMAS[name]
        small = [self._table_at(path, schema) for path in self._small_files(study, name)]
        rows = pa.concat_tables([schema.empty_table(), *(table for table in small if table is not None)])
        merged = self._table_at(_compacted(study, name), schema)  # after the small files: see `compact`
        if merged is not None:
            newer = _is_in(merged["trial_id"], set(rows["trial_id"].unique().to_pylist()))
            rows = pa.concat_tables([rows, merged.filter(pc.invert(newer))])
        return rows.sort_by("trial_id")  # stable: a curve keeps its order

    def _recorded(self, study: str, name: TableName) -> pa.Table:
        table = self._read(study, name)
        recorded = {trial for trial, studies in self._all_places(study).items() if studies}
        return table.filter(_is_in(table["trial_id"], recorded))

    def _rows_of(self, study: str, name: TableName, trial_id: str) -> pa.Table:
        schema = SCHEMAS[name]
        small = self._table_at(f"{_at(study)}/{name}/{trial_id}.parquet", schema)
        if small is not None:
            return small
        merged = self._table_at(_compacted(study, name), schema)
        return schema.empty_table() if merged is None else merged.filter(pc.equal(merged["trial_id"], trial_id))

    def _record(self, study: str, trial_id: str) -> Record | None:
        records = records_of(self._rows_of(study, "trials", trial_id))
        return records[0] if records else None

    def _all_places(self, only: str | None = None) -> dict[str, list[str]]:
        places: dict[str, list[str]] = {}
        for study in [only] if only else self.studies():
            merged = self._table_at(_compacted(study, "trials"), RECORD_SCHEMA)
            ids = {_stem(path) for path in self._small_files(study, "trials")}
            for trial in sorted(ids | set([] if merged is None else merged["trial_id"].to_pylist())):
                places.setdefault(trial, []).append(study)
        return places

    def _table_at(self, path: str, schema: pa.Schema) -> pa.Table | None:
        content = self._folder.read(path)
        if content is None:
            return None
        try:
            table = _readable(pq.read_table(pa.BufferReader(content)), schema)
            if "/compacted/" not in path and set(table["trial_id"].unique().to_pylist()) - {_stem(path)}:
                raise StoreError("it holds another trial than its name says")
            if schema is RECORD_SCHEMA:
                records_of(table)
        except (pa.ArrowException, StoreError, ValidationError, OSError) as error:
            self._skip(path, str(error).splitlines()[0])
            return None
        return table

    def _skip(self, path: str, reason: str) -> None:
        problem = f"{path}: skipped, {reason}"
        if problem not in self.problems:
            self.problems.append(problem)


def _readable(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return `table` in `schema`; the version is looked at before any other column."""
    if schema is RECORD_SCHEMA:
        if "record_version" not in table.column_names:
            raise StoreError("it has no column record_version, so it is not a record")
        newest = pc.max(table["record_version"]).as_py() or 0
        if newest > RECORD_VERSION:
            raise StoreError(f"record_version {newest} is newer than this program reads ({RECORD_VERSION}): update it")
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise StoreError(f"no column {', '.join(missing)}")
    return table.select(schema.names).cast(schema)


def _rows(trial_id: str, rows: tuple[Any, ...], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{"trial_id": trial_id, **asdict(row)} for row in rows], schema=schema)


def _as_parquet(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _is_in(column: pa.ChunkedArray, ids: set[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(sorted(ids), pa.string()))


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".parquet")


def _at(study: str) -> str:
    if not study or "/" in study or "\\" in study or study.startswith("."):
        raise StoreError(f"study {study!r}: not a name; letters, digits, `_` and `-` are")
    return f"studies/{study}"


def _compacted(study: str, name: TableName) -> str:
    return f"{_at(study)}/compacted/{name}.parquet"
