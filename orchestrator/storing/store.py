"""The store: one Arrow file a trial, then Parquet, below one folder or URI. Nothing is changed but by compaction.

studies/<study>/study.json                      the resolved study and its planned trials
studies/<study>/declared.json                   what was declared before the first confirm trial, never changed
studies/<study>/trials/<trial_id>.arrow.gz      one record; written last, so that it commits the two below
studies/<study>/curves/<trial_id>.arrow.gz
studies/<study>/predictions/<trial_id>.arrow.gz
studies/<study>/compacted/<table>.parquet       many trials in one file, written by `compact`
studies/<study>/flat/trials.parquet             the view `trials` of a compacted study, written by `flatten`
studies/<study>/checkpoints/<trial_id>.checkpoint   of a trial that has not ended
studies/<study>/checkpoints/<trial_id>.safetensors  the trained student, where the study keeps it
studies/<study>/leases/<owner>.json             what a driver that runs the study has claimed
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pydantic import ValidationError

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.checkpoints import Checkpoints
from ablative.orchestrator.storing.claims import StudyClaims
from ablative.orchestrator.storing.declared import Stamp
from ablative.orchestrator.storing.flat_file import FlatFile
from ablative.orchestrator.storing.flat_trials import trials_view
from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.leases import Leases
from ablative.orchestrator.storing.owner import Owner
from ablative.orchestrator.storing.plan import PLAN_VERSION
from ablative.orchestrator.storing.plan import PlannedCell
from ablative.orchestrator.storing.plan import placed
from ablative.orchestrator.storing.records import CURVE_SCHEMA
from ablative.orchestrator.storing.records import PREDICTION_SCHEMA
from ablative.orchestrator.storing.records import RECORD_SCHEMA
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import record_table
from ablative.orchestrator.storing.records import records_of
from ablative.orchestrator.storing.students import Students
from ablative.orchestrator.storing.table_files import TableFiles
from ablative.orchestrator.storing.table_files import is_in
from ablative.orchestrator.storing.wishes import Wishes
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import Prediction
from ablative.trainables.strangers import parsing

T = TypeVar("T")
_STAMP = "declared.json"
SCHEMAS = {"trials": RECORD_SCHEMA, "curves": CURVE_SCHEMA, "predictions": PREDICTION_SCHEMA}


class Store:
    """Records, curves and predictions of any number of studies."""

    def __init__(self, folder: Folder) -> None:
        """Read and write below `folder`; use `Store.open` for a path or URI."""
        self._folder = folder
        self._places: dict[str, list[str]] | None = None
        self._merged_seen: dict[str, tuple[object, set[str]]] = {}
        self.problems: list[str] = []
        """Files that were skipped, each with its name and the reason; they are never removed."""

    @classmethod
    def open(cls, uri: str) -> Store:
        """Open the store at a local path or URI. Nothing is created before the first write."""
        return cls(Folder(uri))

    @property
    def uri(self) -> str:
        """The path or URI with which the store was opened."""
        return self._folder.uri

    def studies(self) -> list[str]:
        """Return the names of the studies with anything in the store."""
        return [name for name in self._folder.folders("studies") if self._has_something(name)]

    def count(self, study: str) -> int:
        """Return how many trials of the study are recorded."""
        return len(self._table(study, "trials").ids())

    def readable_studies(self) -> list[str]:
        """Return the names of the studies whose folders can be listed; each of the others is a problem."""
        return [name for name, _ in self._each(self._listed)]

    def all_records(self) -> list[Record]:
        """Return every record of every study; an unreadable one is a problem, and left out."""
        return [record for _, records in self._each(self.records) for record in records]

    def write_study(self, name: str, content: dict[str, Any] | bytes) -> None:
        """Write the resolved study, as values or as JSON, replacing an existing one."""
        text = content if isinstance(content, bytes) else json.dumps(content, indent=2).encode()
        self._folder.write(f"{_at(name)}/study.json", text)

    def declare(self, study: str, stamp: Stamp) -> None:
        """Write what a study declared before its first confirm trial; an existing stamp stays."""
        path = f"{_at(study)}/{_STAMP}"
        if not self._folder.exists(path):
            self._folder.write(path, stamp.model_dump_json(indent=2).encode())

    def declared(self, study: str) -> Stamp | None:
        """Return what `declare` wrote first; None without one, or if it is unreadable, which is a problem."""
        content = self._folder.read(f"{_at(study)}/{_STAMP}")
        if content is None:
            return None
        try:
            return Stamp.model_validate_json(content.to_pybytes())
        except ValidationError as error:
            self._note(f"{_at(study)}/{_STAMP}: skipped, {str(error).splitlines()[0]}")
            return None

    def wishes(self, name: str) -> Wishes:
        """Return people's wishes to the study's drivers; empty if there are none, or they are unreadable."""
        content = self._folder.read(f"{_at(name)}/wishes.json")
        if content is None:
            return Wishes()
        try:
            return Wishes.model_validate_json(content.to_pybytes())
        except ValidationError as error:
            self._note(f"{_at(name)}/wishes.json: left out, {error.errors()[0]['msg']}")
            return Wishes()

    def write_wishes(self, name: str, wishes: Wishes) -> None:
        """Write people's wishes to the study's drivers, replacing existing ones."""
        self._folder.write(f"{_at(name)}/wishes.json", wishes.model_dump_json(indent=2).encode())

    def study(self, name: str) -> dict[str, Any]:
        """Return what `write_study` wrote; raises StoreError if the study is not in the store."""
        place = f"store {self.uri!r}: {_at(name)}/study.json is not a JSON object"
        with parsing(place, "`ablate run` writes it again", StoreError, passed=StoreError):
            content = dict(json.loads(self.study_json(name)))
        return content

    def study_json(self, name: str) -> bytes:
        """Return the text that `write_study` wrote; raises StoreError if the study is not in the store."""
        content = self._folder.read(f"{_at(name)}/study.json")
        if content is None:
            raise StoreError(self._no_study(name))
        return bytes(content.to_pybytes())

    def plan(self, study: str) -> list[PlannedCell] | None:
        """Return the study's present plan as far as decided; None if there is no readable one."""
        path = f"{_at(study)}/study.json"
        if not self._folder.exists(path):
            return None
        try:
            content = self.study(study)
            if content.get("plan_version") == PLAN_VERSION:
                return [PlannedCell.model_validate(cell) for cell in content.get("cells", [])]
        except (StoreError, ValidationError) as error:
            self._note(f"{path}: skipped, {str(error).splitlines()[0]}")
        return None

    def write(self, record: Record, curve: Sequence[CurvePoint] = (), predictions: Sequence[Prediction] = ()) -> None:
        """Write one trial, the record last: a trial without its record does not exist."""
        self._write(
            record,
            _rows(record.trial_id, curve, CURVE_SCHEMA),
            _rows(record.trial_id, predictions, PREDICTION_SCHEMA),
        )

    def adopt(self, record: Record, source: str) -> None:
        """Write `record`, a trial that the study `source` ran, with the source's curve and predictions."""
        curve, predictions = (self._table(source, name).rows_of(record.trial_id) for name in ("curves", "predictions"))
        self._write(record, curve, predictions)

    def records(self, study: str) -> list[Record]:
        """Return every record of the study, in order of trial id."""
        return records_of(self._table(study, "trials").read())

    def known_records(self, study: str) -> list[Record]:
        """Return the records of a study at all their places in its plan; raises StoreError without a plan."""
        if study not in self.studies():
            raise StoreError(self._no_study(study))
        return records_of(self.table(study))

    def table(self, study: str, *, current: bool = True, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the records as a table in `RECORD_SCHEMA`, or in some of its columns, in order of trial id.

        Each record has the place that the study's present plan gives it. Records that the plan no longer holds (of a
        changed arm, of a setting that a longer search has replaced) are left out, unless `current` is false. Without a
        plan, records have the places that they were written with.
        """
        table = self._table(study, "trials").read(columns)
        cells = self.plan(study)
        if cells is None:
            return table
        present = placed(table, cells)
        if not current:
            others = pc.invert(is_in(table, [trial for cell in cells for trial in cell.trials]))
            present = pa.concat_tables([present, table.filter(others)])
        return present.sort_by("trial_id")

    def curves(self, study: str) -> pa.Table:
        """Return the curves of all recorded trials, in `CURVE_SCHEMA`."""
        return self._recorded(study, "curves")

    def predictions(self, study: str) -> pa.Table:
        """Return the per-example predictions of all recorded trials, in `PREDICTION_SCHEMA`."""
        return self._recorded(study, "predictions")

    def parts_of_predictions(self, study: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield `columns` of a study's predictions, some at a time, including trials without a record."""
        return self._table(study, "predictions").parts(columns)

    def check(self, study: str) -> None:
        """Name in `problems` the study's unreadable files, including curves and predictions."""
        for name in SCHEMAS:
            self._table(study, name).check()

    def find(self, trial_id: str) -> Record | None:
        """Return a completed record of the trial from any study, otherwise a failed one, or None."""
        found: list[Record] = []
        for study in self._places_of(trial_id):
            found += records_of(self._table(study, "trials").rows_of(trial_id))
        return next((record for record in found if record.completed), found[0] if found else None)

    def compact(self, study: str) -> int:
        """Merge the study's small files into one per table; return how many trials were merged."""
        if study not in self.studies():
            raise StoreError(self._no_study(study))
        merged = {name: self._table(study, name).compact() for name in ("curves", "predictions", "trials")}
        pa.default_memory_pool().release_unused()
        return merged["trials"]

    def flatten(self, study: str) -> bool:
        """Write the view `trials` of a compacted study as one file; return whether that could be done."""
        flat = FlatFile(self._folder, _at(study))
        sources = flat.sources()
        cells = self.plan(study)
        if sources is None or cells is None:
            return False
        current = frozenset(trial for cell in cells for trial in cell.trials)
        fronts = frozenset((cell.name, proposal) for cell in cells for proposal in cell.front)
        flat.write(trials_view(self.table(study, current=False), current, fronts), sources)
        return True

    def flat(self, study: str) -> ds.ParquetFileFragment | None:
        """Return what `flatten` wrote; None if it is out of date."""
        return FlatFile(self._folder, _at(study)).fragment()

    def curve_values(self, study: str, metric: str) -> dict[str, tuple[float, ...]]:
        """Return trial id -> values of `metric` (`split/name`) along its curve, by step, for recorded trials."""
        split, name = metric.split("/", 1)
        table = self.curves(study)
        rows = table.filter(pc.and_(pc.equal(table["split"], split), pc.equal(table["metric"], name)))
        found: dict[str, list[float]] = {}
        for row in rows.sort_by([("trial_id", "ascending"), ("step", "ascending")]).to_pylist():
            found.setdefault(row["trial_id"], []).append(row["value"])
        return {trial: tuple(values) for trial, values in found.items()}

    def new_records(self, study: str, trial_ids: Sequence[str]) -> list[Record]:
        """Return the present records of these trials of the study; cheap to call repeatedly."""
        table = self._table(study, "trials")
        merged = self._merged_ids(study)
        own = dict(zip(trial_ids, self._folder.each(table.has_small, trial_ids), strict=True))
        return [
            record
            for trial in trial_ids
            if trial in merged or own[trial]
            for record in records_of(table.rows_of(trial))
        ]

    def claims(self, study: str) -> StudyClaims:
        """Return this process's claims on the trials of the study."""
        return StudyClaims(Leases(self._folder, study, Owner.here()), lambda ids: self.new_records(study, ids))

    def _merged_ids(self, study: str) -> set[str]:
        """Return the trials of the merged file; reads it again only after it was replaced."""
        stamp = self._folder.stamp(f"{_at(study)}/compacted/trials.parquet")
        if self._merged_seen.get(study, (None, set()))[0] != stamp:
            self._merged_seen[study] = (stamp, self._table(study, "trials").merged_ids())
        return self._merged_seen[study][1] if stamp is not None else set()

    def version(self, study: str) -> str:
        """Return a text that changes whenever anything of the study is written; cheap to call repeatedly."""
        at = _at(study)
        seen = [self._folder.stamps(folder) for folder in (at, f"{at}/trials", f"{at}/compacted")]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()

    def checkpoints(self, study: str) -> Checkpoints:
        """Return the checkpoints of the study's unfinished trials."""
        return Checkpoints(self.checkpoints_uri(study))

    def students(self, study: str) -> Students:
        """Return the trained students that the study keeps."""
        return Students(self.checkpoints_uri(study))

    def student(self, trial_id: str) -> bytes | None:
        """Return the trained student of a trial from any study that keeps it; None if none does."""
        found = (self.students(study).load(trial_id) for study in self._places_of(trial_id))
        return next((content for content in found if content is not None), None)

    def kept_students(self) -> dict[str, int]:
        """Return the bytes of each trained student that any study keeps, by trial."""
        found: dict[str, int] = {}
        for _, sizes in self._each(lambda study: self.students(study).sizes()):
            found |= sizes
        return found

    def checkpoints_uri(self, study: str) -> str:
        """Return the folder or URI of the study's checkpoints; absolute if it is local."""
        return self._folder.uri_of(f"{_at(study)}/checkpoints")

    def _has_something(self, name: str) -> bool:
        """Return whether a study has more files than its drivers write at their start."""
        at = f"studies/{name}"
        try:
            return bool(set(self._folder.folders(at)) - {"leases"} or self._folder.names(at))
        except StoreError:  # whoever asks for this study gets the error; it must not hinder others
            return True

    def _each(self, read: Callable[[str], T]) -> Iterator[tuple[str, T]]:
        """Yield each study with the result of `read`, except unreadable ones, which may be other people's."""
        for study in self.studies():
            try:
                found = read(study)
            except StoreError as error:
                self._note(f"studies/{study}: left out, {error}")
            else:
                yield study, found

    def _listed(self, study: str) -> list[str]:
        return [name for folder in (*SCHEMAS, "compacted") for name in self._folder.names(f"{_at(study)}/{folder}")]

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _no_study(self, name: str) -> str:
        if self._has_something(name):
            return f"store {self.uri!r}: {_at(name)}/study.json is missing; `ablate run` writes it again"
        return f"store {self.uri!r}: no study {name!r}; studies in the store: {', '.join(self.studies()) or 'none'}"

    def _table(self, study: str, name: str) -> TableFiles:
        return TableFiles(self._folder, _at(study), name, SCHEMAS[name], self.problems)

    def _write(self, record: Record, curve: pa.Table, predictions: pa.Table) -> None:
        beside = (("curves", curve), ("predictions", predictions))
        self._folder.each(lambda one: self._table(record.study, one[0]).put(record.trial_id, one[1]), beside)
        self._table(record.study, "trials").put(record.trial_id, record_table([record]))
        if self._places is not None and record.study not in self._places.setdefault(record.trial_id, []):
            self._places[record.trial_id].append(record.study)

    def _recorded(self, study: str, name: str) -> pa.Table:
        table = self._table(study, name).read()
        return table.filter(is_in(table, self._table(study, "trials").ids()))

    def _places_of(self, trial_id: str) -> list[str]:
        if self._places is None:
            self._places = self._all_places()
        return self._places.get(trial_id, [])

    def _all_places(self) -> dict[str, list[str]]:
        places: dict[str, list[str]] = {}
        for study, trials in self._each(lambda study: self._table(study, "trials").ids()):
            for trial in trials:
                places.setdefault(trial, []).append(study)
        return places


def compaction_key(study: str) -> str:
    """Return the key that a driver claims before it compacts the study."""
    return f"compaction of {study}"


def _rows(trial_id: str, rows: Sequence[CurvePoint] | Sequence[Prediction], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{"trial_id": trial_id, **asdict(row)} for row in rows], schema=schema)


def _at(study: str) -> str:
    if not study or "/" in study or "\\" in study or study.startswith("."):
        raise StoreError(f"study {study!r}: not a name; a name has letters, digits, `_`, `-` and `.`")
    return f"studies/{study}"
