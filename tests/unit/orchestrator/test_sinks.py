from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from pathlib import Path

import pytest

from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.sinks.copier import Copier
from ablative.orchestrator.sinks.sinks import SinkError
from ablative.orchestrator.sinks.sinks import Sinks
from ablative.orchestrator.sinks.sinks import open_sinks
from ablative.orchestrator.sinks.sinks import send
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.study import Study
from ablative.trainables.job import CurvePoint
from tests.helpers.results import as_failed
from tests.helpers.results import make_record
from tests.helpers.simulated import make_study

CURVE = tuple(CurvePoint(step=s, split="val", metric="accuracy", value=0.1 * s, seconds=float(s)) for s in (1, 2, 3))
RECORD = make_record(
    parameters={"optim.lr": "0.001"}, metrics={"val/accuracy": 0.3, "test/accuracy": 0.25}, phase="search", proposal=4
)


def _study(**sinks: str) -> Study:
    return make_study(sinks=sinks)


def _put(study: Study, *records: Record) -> list[str]:
    said: list[str] = []
    sinks = open_sinks(study, Store.open("nowhere"), said.append)
    for record in records:
        sinks.put(record, CURVE)
    return [*said, *sinks.close()]


@pytest.mark.slow
def test_mlflow_shows_each_trial_with_parameters_tags_curve_and_state(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert _put(_study(mlflow=uri), RECORD, as_failed(RECORD.model_copy(update={"trial_id": "f" * 20}))) == []

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("simulated")
    runs = {run.data.tags["trial_id"]: run for run in client.search_runs([experiment.experiment_id])}
    run = runs[RECORD.trial_id]
    assert (run.info.status, runs["f" * 20].info.status) == ("FINISHED", "FAILED")
    assert (run.data.params["optim.lr"], run.data.params["arm"]) == ("0.001", RECORD.arm)
    assert run.data.metrics["test/accuracy"] == 0.25
    assert run.info.start_time == round(1000 * RECORD.started_at.timestamp())
    history = client.get_metric_history(run.info.run_id, "curve/val/accuracy")
    assert [(point.step, point.value) for point in history] == [(point.step, point.value) for point in CURVE]
    assert "loss is nan" in runs["f" * 20].data.tags["error"]


@pytest.mark.slow
def test_two_drivers_that_copy_a_trial_at_the_same_time_leave_one_run_in_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    from ablative.orchestrator.sinks.mlflow import MlflowSink

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    one, other = MlflowSink(uri, "simulated"), MlflowSink(uri, "simulated")
    looks = iter([False])
    look = one._has_one
    # it looked before the other began
    monkeypatch.setattr(one, "_has_one", lambda record: next(looks, None) is None and look(record))
    assert other.put(RECORD, CURVE)
    assert one.put(RECORD, CURVE)

    client = MlflowClient(uri)
    [run] = client.search_runs([client.get_experiment_by_name("simulated").experiment_id])
    assert run.data.metrics["test/accuracy"] == 0.25
    assert not one.put(RECORD, CURVE)


@pytest.mark.slow
def test_tensorboard_reads_back_the_curve_and_the_hyperparameters(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert _put(_study(tensorboard=str(tmp_path)), RECORD) == []

    [folder] = {path.parent for path in tmp_path.rglob("events.*")}
    assert folder.parent == tmp_path / "simulated" / RECORD.arm
    events = EventAccumulator(str(folder))
    events.Reload()
    assert [(point.step, round(point.value, 6)) for point in events.Scalars("val/accuracy")] == [
        (point.step, round(point.value, 6)) for point in CURVE
    ]
    assert events.Scalars("final/test/accuracy")[0].value == pytest.approx(0.25)
    assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams")


@pytest.mark.slow
def test_wandb_writes_a_run_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert _put(_study(wandb=str(tmp_path)), RECORD) == []

    [written] = tmp_path.rglob("*.wandb")
    assert RECORD.trial_id in written.name
    words = (b"curve/val/accuracy", b"test/accuracy", b"optim.lr")
    _until(lambda: all(word in _payload(written.read_bytes()) for word in words))  # its service writes a little later


def _payload(log: bytes) -> bytes:
    """Return what the chunks of a log of LevelDB's form hold: a record may be cut by the end of a block of 32 KiB."""
    block, heading = 32 * 1024, 7
    found, at = b"", heading
    while at < len(log):
        left = block - at % block
        if left < heading:
            at += left
            continue
        length = int.from_bytes(log[at + 4 : at + 6], "little")
        found += log[at + heading : at + heading + length]
        at += heading + length
    return found


class Moody:
    """A sink that can be told to fail, and remembers what it took."""

    def __init__(self) -> None:
        self.fails = False
        self.tries = 0
        self.taken: list[str] = []

    def put(self, record: Record, curve: object) -> bool:
        self.tries += 1
        if self.fails:
            raise OSError("no route")
        new = record.trial_id not in self.taken
        self.taken += [record.trial_id] * new
        return new


def _records(count: int) -> list[Record]:
    return [RECORD.model_copy(update={"trial_id": f"{number:020d}"}) for number in range(count)]


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    assert true()


def _copier(sink: Moody, said: list[str]) -> Copier:
    copier = Copier("mlflow", lambda: sink, said.append)
    copier.opened.result(10)
    return copier


def test_a_sink_that_fails_is_named_once_and_gets_all_when_it_works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablative.orchestrator.sinks.copier._FIRST_PAUSE_S", 0.01)
    sink, said = Moody(), list[str]()
    copier = _copier(sink, said)
    copier.begin(tuple)
    sink.fails = True
    for record in _records(3):
        copier.put(record, CURVE)
    _until(lambda: sink.tries > 2)
    assert said == ["sinks.mlflow: OSError: no route; copying will be retried, and the records are complete"]

    sink.fails = False
    _until(lambda: len(sink.taken) == 3)

    assert copier.close(time.monotonic() + 10) == 0
    assert said[1:] == ["sinks.mlflow: copying works again"]


def test_one_trial_that_a_sink_refuses_does_not_keep_back_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablative.orchestrator.sinks.copier._FIRST_PAUSE_S", 0.01)

    class Choosy(Moody):
        def put(self, record: Record, curve: object) -> bool:
            self.fails = record.trial_id.endswith("1")
            return super().put(record, curve)

    sink = Choosy()
    copier = _copier(sink, [])
    copier.begin(tuple)
    for record in _records(4):
        copier.put(record, CURVE)
    _until(lambda: len(sink.taken) == 3)

    assert copier.close(time.monotonic() + 10) == 1


def test_a_sink_that_hangs_keeps_neither_the_run_nor_its_end_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablative.orchestrator.sinks.copier.MOST_WAITING", 2)
    hung = threading.Event()

    class Hanging(Moody):
        def put(self, record: Record, curve: object) -> bool:
            return hung.wait(60)

    started = time.monotonic()
    sinks = Sinks({"mlflow": _copier(Hanging(), [])}, study="my study", store="s3://bucket/a")
    sinks.begin()
    for record in _records(20):
        sinks.put(record, CURVE)
    monkeypatch.setattr("ablative.orchestrator.sinks.sinks.CLOSE_S", 0.1)
    lines = sinks.close()
    seconds = time.monotonic() - started
    hung.set()

    assert lines == [
        "sinks.mlflow: 20 trials not copied; `ablate export 'my study' --store s3://bucket/a --to mlflow` sends them"
    ]
    assert seconds < 20


def test_earlier_trials_and_those_that_did_not_fit_are_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablative.orchestrator.sinks.copier.MOST_WAITING", 2)
    sink, records = Moody(), _records(8)
    copier = _copier(sink, [])
    for record in records[4:]:  # before it has begun: two wait, two are left to the end
        copier.put(record, CURVE)
    seen: list[int] = []

    def recorded() -> list[tuple[Record, tuple[CurvePoint, ...]]]:
        seen.append(len(sink.taken))
        return [(record, CURVE) for record in (records[:4] if len(seen) == 1 else records)]

    copier.begin(recorded)
    assert copier.close(time.monotonic() + 30) == 0
    assert sorted(sink.taken) == [record.trial_id for record in records]
    assert sink.tries == len(records)


def test_a_failed_trial_that_is_run_again_is_copied_again_and_never_replaced_by_its_failure() -> None:
    failed = as_failed(RECORD)
    mended = RECORD.model_copy(update={"finished_at": failed.finished_at + timedelta(hours=1)})
    endings: list[str] = []

    class Keeping(Moody):
        def put(self, record: Record, curve: object) -> bool:
            endings.append(record.status)
            return True

    copier = _copier(Keeping(), [])
    copier.begin(lambda: [(failed, CURVE)])
    _until(lambda: endings == ["failed"])
    copier.put(mended, CURVE)

    assert copier.close(time.monotonic() + 30) == 0
    assert endings == ["failed", "completed"]


def test_a_place_that_cannot_be_used_ends_a_run_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"sinks\.tensorboard: .*file.*sinks=null"):
        open_sinks(_study(tensorboard=str(tmp_path / "file")), Store.open("nowhere"), print)


def test_an_mlflow_server_that_is_gone_or_overloaded_is_refused_in_seconds(overloaded: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
    for place in (gone, overloaded):
        started = time.monotonic()
        with pytest.raises(SinkError, match=rf"sinks\.mlflow: '{place}': .*sinks=null"):
            open_sinks(_study(mlflow=place), Store.open("nowhere"), print)
        assert time.monotonic() - started < 30  # its own patience is more than four minutes


@pytest.fixture
def overloaded() -> Iterator[str]:
    class Overloaded(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Overloaded) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("sink", ["mlflow", "tensorboard", "wandb"])
def test_what_was_sent_is_not_sent_again_unless_the_trial_was_run_again(
    sink: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    place = f"sqlite:///{tmp_path}/mlflow.db" if sink == "mlflow" else str(tmp_path / "there")
    store = Store.open(str(tmp_path / "store"))
    mended = RECORD.model_copy(update={"trial_id": "f" * 20, "study": "simulated"})
    for record in (RECORD.model_copy(update={"study": "simulated", "source_study": "another"}), as_failed(mended)):
        store.write(record, CURVE)

    def sent() -> tuple[int, int]:
        return send(store, "simulated", sink, place, lambda done, total: None)

    assert sent() == (2, 0)
    assert sent() == (0, 2)
    store.write(mended.model_copy(update={"finished_at": mended.finished_at + timedelta(hours=1)}), CURVE)
    assert sent() == (1, 1)
    assert sent() == (0, 2)


@pytest.mark.slow
def test_long_arms_keep_their_own_short_folders(tmp_path: Path) -> None:
    long = "a_factor_whose_name_says_everything_there_is_to_say" * 6
    records = [RECORD.model_copy(update={"arm": arm, "trial_id": f"{n:020d}"}) for n, arm in
               enumerate([f"{long}1", f"{long}2", "a/b", "a b"])]  # fmt: skip
    assert _put(_study(tensorboard=str(tmp_path)), *records) == []

    folders = {path.parent.parent for path in tmp_path.rglob("events.*")}
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {tmp_path / "simulated"}


@pytest.mark.slow
def test_a_run_copies_every_trial_that_is_recorded_those_of_other_studies_too(tmp_path: Path) -> None:
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.display import QuietDisplay
    from ablative.trainables.simulated import SimulatedTrainable
    from tests.helpers.simulated import make_experiment

    study = make_study(sinks={"tensorboard": str(tmp_path / "board")})
    store = Store.open(str(tmp_path / "s"))
    runner = InlineExecutor(run_trial=SimulatedTrainable(), resources=study.resources, cache=tmp_path)
    other = study.model_copy(update={"study": "other", "sinks": None})
    ran = run_study(make_experiment(other), store, runner, QuietDisplay()).ran
    sinks = open_sinks(study, store, print)
    summary = run_study(make_experiment(study), store, runner, QuietDisplay(), sinks=sinks)

    assert sinks.close() == []
    assert (summary.ran, summary.taken) == (0, ran)
    assert len({path.parent for path in (tmp_path / "board").rglob("events.*")}) == ran > 0
