"""`ray up`, `ray submit` and `ray down` with the shipped cluster file, over a real sshd."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablative.orchestrator.storing.store import Store
from tests.helpers import loopback_machine
from tests.helpers.launcher_smoke import NUM_TRIALS
from tests.helpers.launcher_smoke import TINY_STUDY
from tests.helpers.loopback_machine import LoopbackMachine

ROOT = Path(__file__).parents[2]
SCRIPT = "orchestrator/ablate.py"

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackMachine]:
    reason = loopback_machine.missing()
    if reason and not os.environ.get("CI"):  # in CI it must run
        pytest.skip(reason)
    running = loopback_machine.start(tmp_path_factory.mktemp("machine"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def cluster_file(machine: LoopbackMachine) -> Path:
    """The shipped file with this account's name and the throw-away key, as a person would edit it."""
    text = (ROOT / "cluster" / "local.yaml").read_text()
    edited = re.sub(
        r"^  ssh_user: .*$",
        f"  ssh_user: {loopback_machine.login_name()}\n  ssh_private_key: {machine.key}",
        text,
        flags=re.MULTILINE,
    )
    assert edited != text
    path = machine.folder / "local.yaml"
    path.write_text(edited)
    return path


@pytest.fixture(scope="module")
def cluster(machine: LoopbackMachine, cluster_file: Path) -> Path:
    _success(machine.run("ray", "up", str(cluster_file), "-y", folder=ROOT))
    return cluster_file


def _success(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout
    return result.stdout


def _submit(machine: LoopbackMachine, cluster: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return machine.run("ray", "submit", str(cluster), SCRIPT, "--", *arguments, folder=ROOT)


def _records(machine: LoopbackMachine) -> dict[str, int]:
    """Return record file -> time of its last change."""
    folder = machine.home / "ablate-results" / "studies" / "launcher_smoke" / "trials"
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.arrow.gz")}


def _num_clusters_started(machine: LoopbackMachine) -> int:
    sessions = machine.folder.joinpath("private", "tmp", "ray").glob("session_*")
    return sum(not path.is_symlink() for path in sessions)


def test_ray_up_installs_the_sources_of_the_checkout(machine: LoopbackMachine, cluster: Path) -> None:
    where = "python -c 'import ablative; print(ablative.__file__)'"
    shown = _success(machine.run("ray", "exec", str(cluster), where, folder=ROOT))

    assert str(machine.home / "ablate-env") in shown


def test_the_cluster_lets_in_only_who_has_its_token(machine: LoopbackMachine, cluster: Path) -> None:
    _success(machine.run("ray", "exec", str(cluster), "ray status", folder=ROOT))
    stranger = machine.run("ray", "exec", str(cluster), "RAY_AUTH_MODE=disabled ray status", folder=ROOT)

    assert stranger.returncode != 0
    assert "AuthenticationError" in stranger.stdout


def test_submit_checks_a_shipped_study_by_name(machine: LoopbackMachine, cluster: Path) -> None:
    assert "quickstart" in _success(_submit(machine, cluster, "check", "quickstart"))


def test_submit_fails_when_the_command_does(machine: LoopbackMachine, cluster: Path) -> None:
    result = _submit(machine, cluster, "check", "quickstat")

    assert result.returncode != 0
    assert "quickstart" in result.stdout
    assert "Traceback" not in result.stdout


def test_submit_runs_a_study_by_path_and_the_same_line_again_runs_nothing(
    machine: LoopbackMachine, cluster: Path
) -> None:
    study = machine.folder / "tiny_study.yaml"
    study.write_text(TINY_STUDY)
    _success(machine.run("ray", "rsync-up", str(cluster), str(study), "~/tiny_study.yaml", folder=ROOT))

    _success(_submit(machine, cluster, "run", "tiny_study.yaml"))
    first = _records(machine)
    _success(_submit(machine, cluster, "run", "tiny_study.yaml"))

    assert len(first) == NUM_TRIALS
    assert _records(machine) == first
    assert _num_clusters_started(machine) == 1  # both runs joined the launcher's


def test_a_file_of_parts_named_by_with_reaches_the_workers_of_the_launchers_cluster(
    machine: LoopbackMachine, cluster: Path
) -> None:
    for name in ("own_loss.py", "own_loss.yaml"):
        source = str(ROOT / "docs" / "examples" / name)
        _success(machine.run("ray", "rsync-up", str(cluster), source, f"~/{name}", folder=ROOT))

    _success(_submit(machine, cluster, "run", "own_loss.yaml", "seeds.confirm=[1]", "--with", "own_loss.py"))

    records = Store.open(str(machine.home / "ablate-results")).records("own_loss")
    assert [record.error for record in records if not record.completed] == []
    assert {record.arm for record in records if "term/agreement" in record.parts} == {"agreement"}
    assert len(records) == 3


def test_ray_down_leaves_no_ray_process(machine: LoopbackMachine, cluster: Path) -> None:
    _success(machine.run("ray", "down", str(cluster), "-y", folder=ROOT))
    processes = _success(machine.run("ps", "-eo", "args", folder=ROOT))

    assert "sshd" in processes
    assert not re.search(r"raylet|gcs_server", processes)
