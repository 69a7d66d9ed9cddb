from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.inline import InlineExecutor
from orchestrator.records import Record
from orchestrator.sinks.sinks import SinkError
from orchestrator.sinks.sinks import Sinks
from orchestrator.sinks.sinks import open_sinks
from orchestrator.store import Store
from search_spaces.study import Study
from tests.helpers.results import as_failed
from tests.helpers.results import make_record
from tests.helpers.simulated import make_study
from trainables.job import CurvePoint

CURVE = tuple(CurvePoint(step=s, split="val", metric="accuracy", value=0.1 * s, seconds=float(s)) for s in (1, 2, 3))
RECORD = make_record(
    parameters={"optim.lr": "0.001"}, metrics={"val/accuracy": 0.3, "test/accuracy": 0.25}, phase="search", proposal=4
)


def _study(**sinks: str) -> Study:
    return make_study(sinks=sinks)


def _put(study: Study, *records: Record) -> list[str]:
    said: list[str] = []
    sinks = open_sinks(study)
    for record in records:
        sinks.put(record, CURVE, said.append)
    return said


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
    content = _payload(written.read_bytes())
    assert [word for word in (b"curve/val/accuracy", b"test/accuracy", b"optim.lr") if word not in content] == []


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


def test_a_sink_that_fails_is_named_once_and_left(tmp_path: Path) -> None:
    class Broken:
        def put(self, record: Record, curve: object) -> None:
            raise OSError("no route")

    said: list[str] = []
    sinks = Sinks({"mlflow": Broken()})
    sinks.put(RECORD, CURVE, said.append)
    sinks.put(RECORD, CURVE, said.append)

    assert said == ["sinks.mlflow: OSError: no route; no more trials go there, the records are complete"]


def test_a_place_that_cannot_be_used_ends_a_run_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"sinks\.tensorboard: .*file"):
        open_sinks(_study(tensorboard=str(tmp_path / "file")))


@pytest.mark.slow
def test_a_run_copies_every_trial_that_it_ends(tmp_path: Path) -> None:
    from orchestrator.display import QuietDisplay
    from orchestrator.run import run_study
    from tests.helpers.simulated import make_experiment
    from trainables.simulated import SimulatedTrainable

    study = make_study(sinks={"tensorboard": str(tmp_path / "board")})
    runner = InlineExecutor(run_trial=SimulatedTrainable(), resources=study.resources, cache=tmp_path)
    summary = run_study(
        make_experiment(study), Store.open(str(tmp_path / "s")), runner, QuietDisplay(), sinks=open_sinks(study)
    )

    assert summary.ran > 0
    assert len({path.parent for path in (tmp_path / "board").rglob("events.*")}) == summary.ran
