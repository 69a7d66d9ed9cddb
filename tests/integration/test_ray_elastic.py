"""A trial of two workers goes on with one after a machine is gone, and has the results of one that lost nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from tests.helpers.sources import IMPORT_PATH
from tests.helpers.sources import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1500)]

PARTS = ROOT / "tests" / "integration" / "elastic_parts.py"
ABLATE = (sys.executable, "-m", "ablative.orchestrator.commands.cli")
STUDY = """
study: line
question: Does a trial go on with fewer workers?
trainable: line
base: {{marks: {marks}}}
arms: {{listed: [slow]}}
resources: {{workers: {{min: 1, max: 2}}}}
seeds: {{confirm: 1-3}}
"""
PATIENCE_S = 400


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head with one CPU."""
    from ray.cluster_utils import Cluster

    from ablative.cluster.session import ENVIRONMENT

    for name, value in {**ENVIRONMENT, "PYTHONPATH": IMPORT_PATH}.items():
        monkeypatch.setenv(name, value)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    made.shutdown()


def _until(condition: Callable[[], bool], driver: subprocess.Popen[bytes], said: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert driver.poll() is None and time.monotonic() < until, said.read_text()[-3000:]
        time.sleep(0.2)


def _drain(address: str, node: str) -> None:
    """Give notice that a machine is taken away in a minute, as clouds do for spot machines."""
    why = ("--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot")
    ray = str(Path(sys.executable).with_name("ray"))  # beside its Python, whatever PATH is
    command = (ray, "drain-node", "--address", address, "--node-id", node, "--deadline-remaining-seconds", "60")
    subprocess.run([*command, *why], check=True, capture_output=True)


def _records(store: Path) -> dict[int, Record]:
    return {record.seed: record for record in Store.open(str(store)).records("line")}


def _workers(store: Path, record: Record) -> list[tuple[int, float]]:
    """Return (step, number of workers) of a trial, as its curve tells."""
    points = Store.open(str(store)).curves("line").to_pylist()
    return [
        (point["step"], point["value"])
        for point in points
        if (point["trial_id"], point["split"], point["metric"]) == (record.trial_id, "train", "workers")
    ]


@pytest.mark.parametrize("how", ["lost", "drained"])
def test_a_trial_goes_on_with_one_worker_when_a_machine_goes_and_the_next_has_two_again(
    how: str, cluster: Any, tmp_path: Path
) -> None:
    marks, store, alone = (tmp_path / name for name in ("marks", "store", "alone"))
    marks.mkdir()
    study, said = tmp_path / "line.yaml", tmp_path / "said"
    study.write_text(STUDY.format(marks=marks))
    run = (*ABLATE, "run", str(study), "--with", str(PARTS))
    second = cluster.add_node(num_cpus=1)
    with said.open("wb") as file:
        command = [*run, "--address", cluster.address, "--store", str(store)]
        driver = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    try:
        _until((marks / "1.saved").exists, driver, said)
        assert (marks / "1.2").exists() and not (marks / "1.1").exists()
        if how == "drained":
            _drain(cluster.address, second.node_id)
        else:
            cluster.remove_node(second, allow_graceful=False)
        _until((marks / "1.1").exists, driver, said)
        if how == "drained":
            cluster.remove_node(second, allow_graceful=False)
        cluster.add_node(num_cpus=1)
        _until(lambda: any(marks.glob("[23].2")), driver, said)
        (marks / "hurry").touch()
        assert driver.wait(timeout=PATIENCE_S) == 0, said.read_text()[-3000:]
    finally:
        driver.kill()
    subprocess.run([*run, "--executor", "inline", "--store", str(alone)], cwd=ROOT, check=True, capture_output=True)

    found, expected = _records(store), _records(alone)
    assert [record.error for record in found.values() if not record.completed] == []
    assert found.keys() == expected.keys() == {1, 2, 3}
    (start, two), (later, one) = _workers(store, found[1])
    assert (start, two, one, found[1].num_workers) == (0, 2, 1, 1) and 0 < later < 80
    assert found[3].num_workers == 2
    for seed, record in found.items():
        assert record.trial_id == expected[seed].trial_id
        assert dict(record.metrics) == pytest.approx(dict(expected[seed].metrics), rel=1e-5)
