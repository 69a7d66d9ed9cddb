from __future__ import annotations

import gzip
import json
import threading
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.plan import study_content
from ablative.orchestrator.storing.plan import study_text
from ablative.orchestrator.storing.records import CURVE_SCHEMA
from ablative.orchestrator.storing.records import PREDICTION_SCHEMA
from ablative.orchestrator.storing.records import RECORD_SCHEMA
from ablative.orchestrator.storing.records import RECORD_VERSION
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import record_table
from ablative.orchestrator.storing.store import Store
from ablative.trainables.config import ROLES
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import Prediction
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

CURVE = tuple(CurvePoint(step=s, split="val", metric="accuracy", value=0.1 * s, seconds=float(s)) for s in (3, 1, 2))
PREDICTIONS = (Prediction(split="test", example_id="e1", prediction="yes", score=0.3),)
SEARCH = {**make_study().model_dump(mode="json")["search"], "trials": 2}
SMALL = {"conditions": {}, "search": SEARCH, "seeds": {"search": [0], "confirm": [1, 2]}}
STUDY = make_study(arms={"listed": {"plain": {}, "naive": {"distillation.terms.image": 1.0}}}, **SMALL)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return run_all(make_queue(STUDY))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"))


def _trials(store: Store) -> Path:
    return Path(store.uri) / "studies" / "simulated" / "trials"


def _small(store: Store, record: Record) -> Path:
    return _trials(store) / f"{record.trial_id}.arrow.gz"


def _filled(store: Store, records: list[Record]) -> Store:
    for record in records:
        store.write(record, CURVE, PREDICTIONS)
    return store


def test_what_is_written_is_read(store: Store, records: list[Record]) -> None:
    _filled(store, records)

    assert store.records("simulated") == sorted(records, key=lambda record: record.trial_id)
    assert store.table("simulated").schema.equals(RECORD_SCHEMA)
    assert store.studies() == ["simulated"]
    curves = store.curves("simulated")
    assert curves.schema.equals(CURVE_SCHEMA)
    assert curves["step"].to_pylist() == [3, 1, 2] * len(records)
    assert store.predictions("simulated").schema.equals(PREDICTION_SCHEMA)
    assert store.predictions("simulated").num_rows == len(records)
    assert store.problems == []


def test_an_empty_store_is_read_and_not_created(store: Store) -> None:
    assert store.studies() == []
    assert store.records("simulated") == []
    assert store.curves("simulated").num_rows == 0
    assert store.find("0" * 20) is None
    assert not Path(store.uri).exists()


def test_nan_and_missing_values_survive(store: Store, records: list[Record]) -> None:
    odd = records[0].model_copy(update={"metrics": {"val/accuracy": float("inf")}, "proposal": None, "error": "ü\n"})
    store.write(odd)
    assert store.records("simulated") == [odd]


def test_foreign_files_are_named_skipped_and_kept(store: Store, records: list[Record]) -> None:
    _filled(store, records)
    (_trials(store) / "notes.txt").write_text("mine")
    (_trials(store) / "broken.parquet").write_bytes(b"PAR1 not really")
    (_trials(store) / "torn.arrow.gz").write_bytes(_small(store, records[0]).read_bytes()[:-9])
    (_trials(store) / "empty.arrow.gz").write_bytes(b"")
    pq.write_table(pa.table({"a": [1]}), _trials(store) / "other.parquet")
    pq.write_table(record_table([records[0]]), _trials(store) / "misnamed.parquet")

    assert len(store.records("simulated")) == len(records)
    told = "\n".join(store.problems)
    foreign = {"notes.txt", "broken.parquet", "torn.arrow.gz", "empty.arrow.gz", "other.parquet", "misnamed.parquet"}
    assert len(store.problems) == len(foreign)
    assert all(name in told for name in foreign)
    assert "record_version" in told

    store.compact("simulated")
    assert {path.name for path in _trials(store).iterdir()} == foreign


def test_a_value_that_no_record_has_hides_that_record_only(store: Store, records: list[Record]) -> None:
    _filled(store, records)
    path = _small(store, records[1])
    table = pa.ipc.open_stream(gzip.decompress(path.read_bytes())).read_all()
    at = table.schema.get_field_index("status")
    table = table.set_column(at, table.schema.field(at), pa.array(["half done"]))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    path.write_bytes(gzip.compress(sink.getvalue()))

    others = {record.trial_id for record in records} - {records[1].trial_id}
    assert {record.trial_id for record in store.records("simulated")} == others
    assert len(store.problems) == 1
    assert path.name in store.problems[0]
    assert store.find(records[1].trial_id) is None
    assert store.compact("simulated") == len(records) - 1
    assert path.exists()


def _says_the_same(damaged: bytes, content: bytes) -> bool:
    try:
        return gzip.decompress(damaged) == gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return False


def test_a_damaged_byte_of_a_small_file_is_found_wherever_it_is(store: Store, records: list[Record]) -> None:
    _filled(store, records[:2])
    path = _small(store, records[0])
    content = path.read_bytes()
    header = 10  # of gzip; its time and system say nothing about the record
    for at in range(header, len(content), 97):
        damaged = content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]
        if _says_the_same(damaged, content):  # a bit of the padding behind a block of gzip
            continue
        path.write_bytes(damaged)
        reader = Store.open(store.uri)
        assert reader.records("simulated") == records[1:2]
        assert path.name in reader.problems[0]
    path.write_bytes(content)
    assert len(Store.open(store.uri).records("simulated")) == 2


def test_a_small_file_of_an_earlier_version_is_read_and_compacted(store: Store, records: list[Record]) -> None:
    _filled(store, records[2:])
    earlier = [_trials(store) / f"{record.trial_id}.parquet" for record in records[:2]]
    for path, record in zip(earlier, records[:2], strict=True):
        pq.write_table(record_table([record]), path)
    again = records[0].model_copy(update={"attempts": 2})
    store.write(again)  # now there is a file of either version; the later one counts
    expected = sorted([again, *records[1:]], key=lambda record: record.trial_id)

    assert store.records("simulated") == expected
    assert store.new_records("simulated", [records[0].trial_id, records[1].trial_id]) == [again, records[1]]
    assert store.compact("simulated") == len(records)
    assert list(_trials(store).iterdir()) == []
    assert store.records("simulated") == expected


def test_a_newer_record_is_refused_by_name_and_the_rest_is_read(store: Store, records: list[Record]) -> None:
    _filled(store, records[:2])
    newer = record_table([records[2]]).set_column(
        0, RECORD_SCHEMA.field(0), pa.array([RECORD_VERSION + 1], pa.int32())
    )
    pq.write_table(newer.append_column("invented", pa.array([1])), _trials(store) / f"{records[2].trial_id}.parquet")

    assert len(store.records("simulated")) == 2
    assert records[2].trial_id in store.problems[0]
    assert "newer" in store.problems[0]


def test_compaction_changes_no_answer(store: Store, records: list[Record]) -> None:
    _filled(store, records)
    before = (store.records("simulated"), store.curves("simulated"), store.predictions("simulated"))

    assert store.compact("simulated") == len(records)
    assert list(_trials(store).iterdir()) == []
    assert (store.records("simulated"), store.curves("simulated"), store.predictions("simulated")) == before
    assert Store.open(store.uri).find(records[0].trial_id) == records[0]
    assert store.compact("simulated") == 0


def test_compaction_goes_on_from_an_earlier_one(store: Store, records: list[Record]) -> None:
    _filled(store, records[:3])
    store.compact("simulated")
    _filled(store, records[3:])
    again = records[0].model_copy(update={"attempts": 2})
    store.write(again)

    assert store.compact("simulated") == len(records) - 2
    found = {record.trial_id: record for record in store.records("simulated")}
    assert len(found) == len(store.records("simulated")) == len(records)
    assert found[again.trial_id] == again


def test_a_compaction_that_was_killed_leaves_no_double_row(store: Store, records: list[Record]) -> None:
    _filled(store, records)
    kept = {path.name: path.read_bytes() for path in _trials(store).iterdir()}
    store.compact("simulated")
    for name, content in list(kept.items())[:3]:  # as if it had been killed before it removed these
        (_trials(store) / name).write_bytes(content)

    assert len(store.records("simulated")) == len(records)


def test_compaction_refuses_to_replace_a_merged_file_it_cannot_read(store: Store, records: list[Record]) -> None:
    _filled(store, records)
    merged = _trials(store).parent / "compacted" / "trials.parquet"
    merged.parent.mkdir()
    merged.write_bytes(b"somebody else's")

    with pytest.raises(StoreError, match=r"compacted/trials\.parquet"):
        store.compact("simulated")
    assert merged.read_bytes() == b"somebody else's"
    assert len(store.records("simulated")) == len(records)


def test_readers_during_compaction_see_every_row_once(store: Store, records: list[Record]) -> None:
    _filled(store, records)
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        reader = Store.open(store.uri)
        while not stop.is_set():
            ids = [record.trial_id for record in reader.records("simulated")]
            seen.append(len(ids) if len(ids) == len(set(ids)) else -1)

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(4):
        store.compact("simulated")
        for record in records[:3]:
            store.write(record)
    stop.set()
    thread.join()
    assert seen
    assert set(seen) == {len(records)}


def test_a_curve_without_its_record_does_not_exist(store: Store, records: list[Record]) -> None:
    _filled(store, records[:2])
    _small(store, records[0]).unlink()  # as if killed before the record was written

    assert set(store.curves("simulated")["trial_id"].to_pylist()) == {records[1].trial_id}


def test_the_plan_as_text_is_the_plan_as_values() -> None:
    queue = make_queue(STUDY)

    assert json.loads(study_text(STUDY, ROLES, queue.plan())) == study_content(STUDY, ROLES, queue.plan())


def test_an_unfinished_file_is_not_seen(store: Store, records: list[Record]) -> None:
    _filled(store, records[:1])
    (_trials(store) / ".unfinished-1234").write_bytes(b"PAR1")

    assert len(store.records("simulated")) == 1
    assert store.problems == []


def test_find_prefers_a_completed_record_of_any_study(store: Store, records: list[Record]) -> None:
    failed = records[0].model_copy(update={"status": "failed", "study": "a_first"})
    store.write(failed)
    assert store.find(failed.trial_id) == failed
    store.write(records[0])
    assert store.find(failed.trial_id) == records[0]


def test_an_adopted_record_brings_its_curve_and_predictions(store: Store, records: list[Record]) -> None:
    _filled(store, records[:1])
    store.compact("simulated")
    store.adopt(records[0].model_copy(update={"study": "second", "source_study": "simulated"}), "simulated")

    assert store.curves("second").num_rows == len(CURVE)
    assert store.predictions("second").num_rows == 1
    assert store.records("second")[0].source_study == "simulated"


def test_the_plan_places_records_and_leaves_out_superseded_ones(store: Store, records: list[Record]) -> None:
    _filled(store, records)
    renamed = make_study(arms={"listed": {"ordinary": {}}}, **SMALL)
    queue = make_queue(renamed, records)
    assert queue.done, "a renamed arm computes nothing new"
    store.write_study("simulated", study_content(renamed, ROLES, queue.plan()))

    current = store.table("simulated")
    assert set(current["arm"].to_pylist()) == {"ordinary"}
    assert set(current["is_reference"].to_pylist()) == {True}
    assert set(current["cell"].to_pylist()) == {"ordinary"}
    everything = store.table("simulated", current=False)
    assert everything.num_rows == len(records)
    assert set(everything["arm"].to_pylist()) == {"ordinary", "naive"}


@pytest.mark.parametrize("name", ["../other", "a/b", "", ".hidden"])
def test_a_study_name_cannot_leave_the_store(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="not a name"):
        store.write_study(name, {})


def test_an_unknown_study_names_those_there_are(store: Store, records: list[Record]) -> None:
    _filled(store, records[:1])
    with pytest.raises(StoreError, match="simulated"):
        store.study("quickstart")


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path, records: list[Record]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        Store.open(str(tmp_path / "file")).write(records[0])


def test_an_unknown_scheme_names_the_remedy() -> None:
    with pytest.raises(StoreError, match="s3://"):
        Store.open("nothing://bucket/path")


def test_a_store_behind_a_uri_is_the_same_store(tmp_path: Path, records: list[Record]) -> None:
    _filled(Store.open((tmp_path / "store").as_uri()), records[:2])
    assert len(Store.open(str(tmp_path / "store")).records("simulated")) == 2


def test_a_study_that_cannot_be_read_is_named_and_others_are_answered(tmp_path: Path) -> None:
    records = run_all(make_queue(make_study(conditions={})))
    written = Store.open(str(tmp_path))
    for record in records:
        written.write(record)
    broken = tmp_path / "studies" / "broken"
    broken.mkdir()
    (broken / "trials").write_text("a file where a folder is expected")
    (tmp_path / "studies" / ".checkpoints" / "x").mkdir(parents=True)

    store = Store.open(str(tmp_path))
    found = store.find(records[0].trial_id)
    assert found is not None and found.study == "simulated"
    assert len(store.all_records()) == len(records)
    assert store.readable_studies() == ["simulated"]
    assert any(problem.startswith("studies/broken: left out, store") for problem in store.problems)
    assert [problem.partition(":")[0] for problem in store.problems] == ["studies/.checkpoints", "studies/broken"]
    with pytest.raises(StoreError, match="cannot list"):
        store.records("broken")
