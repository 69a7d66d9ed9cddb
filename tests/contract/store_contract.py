"""What a store promises wherever it lies. One thin file a backend says where."""

from __future__ import annotations

import threading
from abc import ABC
from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor

import pytest

from ablative.orchestrator.storing.checkpoints import Checkpoints
from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.plan import study_content
from ablative.orchestrator.storing.records import Record
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
STUDY = make_study(conditions={}, search=SEARCH, seeds={"search": [0], "confirm": [1, 2]})


class StoreContract(ABC):
    """Claims about a folder, and about the store and the checkpoints in it."""

    @pytest.fixture
    @abstractmethod
    def uri(self) -> str:
        """An empty folder, where no other test writes."""

    @pytest.fixture(scope="class")
    @classmethod
    def records(cls) -> list[Record]:
        """Every record of a small study."""
        return run_all(make_queue(STUDY))

    @pytest.fixture
    def store(self, uri: str, records: list[Record]) -> Store:
        """A store with those records."""
        store = Store.open(uri)
        for record in records:
            store.write(record, CURVE, PREDICTIONS)
        return store

    def test_files_are_written_replaced_listed_and_removed(self, uri: str) -> None:
        folder = Folder(uri)
        assert folder.names("a/b") == []
        folder.write("a/b/one", b"1")
        folder.write("a/b/one", b"11", durable=False)
        folder.write("a/b/two", b"2")

        assert folder.names("a/b") == ["one", "two"]
        assert (folder.folders("a"), folder.names("a")) == (["b"], [])
        content = folder.read("a/b/one")
        assert content is not None
        assert content.to_pybytes() == b"11"
        assert folder.exists("a/b/one")
        folder.remove("a/b/one")
        folder.remove("a/b/one")
        assert not folder.exists("a/b/one")
        assert folder.read("a/b/one") is None
        assert folder.names("a/b") == ["two"]

    def test_the_uri_of_a_folder_inside_opens_that_folder(self, uri: str) -> None:
        Folder(uri).write("a/b/one", b"1")

        assert Folder(Folder(uri).uri_of("a/b")).names("") == ["one"]

    def test_a_file_that_is_being_replaced_is_read_whole(self, uri: str) -> None:
        folder = Folder(uri)
        contents = [b"1" * 1_000, b"2" * 100_000, b"3" * 10]
        folder.write("one", contents[0])
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                for content in contents:
                    folder.write("one", content, durable=False)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            seen = {content.to_pybytes() for _ in range(60) if (content := Folder(uri).read("one")) is not None}
        finally:
            stop.set()
            thread.join()
        assert seen
        assert seen <= set(contents)

    def test_what_is_written_is_read(self, store: Store, records: list[Record]) -> None:
        assert store.records("simulated") == sorted(records, key=lambda record: record.trial_id)
        assert store.studies() == ["simulated"]
        assert store.curves("simulated")["step"].to_pylist() == [3, 1, 2] * len(records)
        assert store.predictions("simulated").num_rows == len(records)
        assert Store.open(store.uri).find(records[0].trial_id) == records[0]
        assert store.problems == []

    def test_the_plan_is_written_over_an_earlier_one(self, store: Store, records: list[Record]) -> None:
        store.write_study("simulated", {})
        store.write_study("simulated", study_content(STUDY, ROLES, make_queue(STUDY, records).plan()))

        assert store.table("simulated").num_rows == len(records)
        assert store.problems == []

    def test_compaction_changes_no_answer(self, store: Store, records: list[Record]) -> None:
        before = (store.records("simulated"), store.curves("simulated"), store.predictions("simulated"))

        assert store.compact("simulated") == len(records)
        assert Folder(store.uri).names("studies/simulated/trials") == []
        again = Store.open(store.uri)
        assert (again.records("simulated"), again.curves("simulated"), again.predictions("simulated")) == before
        store.write(records[0].model_copy(update={"attempts": 2}))
        assert store.compact("simulated") == 1
        assert len(again.records("simulated")) == len(records)

    def test_the_view_of_a_compacted_study_is_one_file_until_something_is_written(
        self, store: Store, records: list[Record]
    ) -> None:
        store.write_study(STUDY.study, study_content(STUDY, ROLES, make_queue(STUDY, records).plan()))
        store.compact(STUDY.study)
        assert store.flat(STUDY.study) is None

        assert store.flatten(STUDY.study)

        flat = store.flat(STUDY.study)
        assert flat is not None
        assert flat.to_table(columns=["trial_id"])["trial_id"].to_pylist() == sorted(r.trial_id for r in records)
        store.write(records[0])
        assert store.flat(STUDY.study) is None

    def test_readers_during_compaction_see_every_row_once(self, store: Store, records: list[Record]) -> None:
        reader = Store.open(store.uri)
        stop = threading.Event()

        def read() -> set[int]:
            seen = set()
            while not stop.is_set():
                ids = [record.trial_id for record in reader.records("simulated")]
                seen.add(len(ids) if len(ids) == len(set(ids)) else -1)
            return seen

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            for _ in range(4):
                store.compact("simulated")
                for record in records[:3]:
                    store.write(record)
            stop.set()
        assert reading.result() == {len(records)}
        assert reader.problems == []

    def test_checkpoints_are_found_from_the_uri_that_the_store_names(self, store: Store) -> None:
        checkpoints = Checkpoints(store.checkpoints_uri("simulated"))
        checkpoints.save("t1", b"early")
        checkpoints.save("t1", b"late")
        checkpoints.save("t2", bytes(3_000_000))

        assert Checkpoints(store.checkpoints_uri("simulated")).load("t1") == b"late"
        assert checkpoints.trials() == ["t1", "t2"]
        assert checkpoints.load("t2") == bytes(3_000_000)
        checkpoints.remove("t1")
        assert checkpoints.load("t1") is None
        assert store.studies() == ["simulated"]
