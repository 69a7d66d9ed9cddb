"""A cluster that another process has started: what the check says of it, and that a machine which joins is used."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.answers import checked_answer
from tests.helpers.sources import IMPORT_PATH
from tests.helpers.sources import ROOT
from tests.integration.meeting import running

pytestmark = [pytest.mark.ray, pytest.mark.slow]
START_S = 150.0
END_S = 250.0


@pytest.fixture
def small_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of one machine with one CPU; nobody is connected to it."""
    from ray.cluster_utils import Cluster

    from ablative.cluster.session import ENVIRONMENT

    for name, value in {**ENVIRONMENT, "PYTHONPATH": IMPORT_PATH}.items():
        monkeypatch.setenv(name, value)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.mark.timeout(500)
def test_a_machine_that_joins_during_a_run_takes_trials_at_the_same_time(small_cluster: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.meeting", small_cluster.address, str(tmp_path)]
    driver = subprocess.Popen(command, cwd=ROOT)
    try:
        until = time.monotonic() + START_S
        while not running(tmp_path):
            assert driver.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        assert not (tmp_path / "met").exists()  # one CPU holds one trial
        small_cluster.add_node(num_cpus=1)
        assert driver.wait(timeout=END_S) == 0
    finally:
        driver.kill()
    assert (tmp_path / "met").exists()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("study", [(), ("quickstart",)])
def test_what_the_check_prints_as_json_is_what_its_schema_says(
    small_cluster: Any, tmp_path: Path, study: tuple[str, ...]
) -> None:
    command = [sys.executable, "-m", "ablative.orchestrator.commands.cli", "cluster", "check", *study, "--json"]
    options = ["--address", small_cluster.address, "--store", str(tmp_path)]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    found = checked_answer("cluster_check", done.stdout)

    assert (found["cluster_check_version"], len(found["machines"])) == (1, 1), done.stderr
    assert (found["slots"] is None) == (not study)
    assert done.returncode == (0 if found["sound"] else 2)
