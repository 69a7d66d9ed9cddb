"""`ray up`, `ray submit` and `ray down` with the shipped cluster file, over a real sshd."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import loopback_machine
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
    return machine.run("ray", "submit", str(cluster), SCRIPT, "--", *arguments, folder=ROOT, timeout_s=600)
