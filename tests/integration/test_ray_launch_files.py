"""The launch files that can be run here: by ssh on three machines from a fourth, and as a job of Debian's Slurm."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablative.orchestrator.storing.store import Store
from ablative.trainables.cache import cache_folder
from tests.helpers import machines
from tests.helpers import slurm
from tests.helpers.launcher_smoke import NUM_TRIALS
from tests.helpers.launcher_smoke import TINY_STUDY
from tests.helpers.loopback_machine import login_name
from tests.helpers.loopback_machine import prepare_home
from tests.helpers.machines import Machines
from tests.helpers.sources import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

NODES = ("head", "left", "right")
WORKERS_S = 240


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    reason = machines.missing()
    if reason and not os.environ.get("CI"):  # in CI it must run
        pytest.skip(reason)
    with machines.started(tmp_path_factory.mktemp("network"), ("laptop", *NODES)) as found:
        yield found


def _edited(path: Path, changes: dict[str, str]) -> str:
    text = path.read_text()
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_ssh_brings_up_every_worker_with_one_token(network: Machines) -> None:
    laptop, file = network["laptop"], network.folder / "cluster.yaml"
    for name in NODES:
        prepare_home(network[name].folder / "home")
    addresses = {f"192.168.0.1{place}": network[name].address for place, name in enumerate(NODES)}
    own = {"ssh_user: me": f"ssh_user: {login_name()}", "~/.ssh/id_ed25519": str(network.folder / "login")}
    own["/shared/ablate/cache"] = str(cache_folder())
    own["/shared/ablate"] = str(network.folder / "shared")
    file.write_text(_edited(ROOT / "cluster" / "ssh.yaml", {**addresses, **own}))

    laptop.run("ray", "get-auth-token", "--generate")
    laptop.run("ray", "up", str(file), "-y", timeout_s=300)
    until = time.monotonic() + WORKERS_S
    while "3 local.cluster.node" not in (told := laptop.run("ray", "exec", str(file), "ray status")):
        assert time.monotonic() < until, told
        time.sleep(5)
    ablate = ("ray", "submit", str(file), "orchestrator/ablate.py", "--")
    said = laptop.run(*ablate, "cluster", "check", "quickstart")
    own = "ABLATE_CACHE=/dev/shm/own python ~/ablate.py cluster check --json; echo status $?"
    unshared = laptop.run("ray", "exec", str(file), own)
    laptop.run("ray", "down", str(file), "-y")

    tokens = {(network[name].folder / "home" / ".ray" / "auth_token").read_text() for name in ("laptop", *NODES)}
    assert len(tokens) == 1
    assert "3 machines answer" in said and "fault" not in said and "caution" not in said
    assert "/own on" in unshared and "is not the folder seen here" in unshared and "status 2" in unshared
    until = time.monotonic() + WORKERS_S  # `ray down` ends the head; workers end a minute after they have lost it
    while any("raylet/raylet" in title for name in NODES for title in network[name].processes().values()):
        assert time.monotonic() < until
        time.sleep(1)


def test_a_slurm_job_runs_a_study_and_leaves_nothing_behind(network: Machines) -> None:
    reason = slurm.missing()
    if reason and (os.geteuid() != 0 or not os.environ.get("CI")):  # in CI as root it must run
        pytest.skip(reason)
    head, right = network["head"], network["right"]
    job, study, store = network.folder / "slurm.sbatch", network.folder / "tiny.yaml", network.folder / "results"
    study.write_text(TINY_STUDY)
    changes = {"#SBATCH --gpus-per-node=1\n": "", "--cpus-per-task=8": "--cpus-per-task=1"}
    changes |= {"$HOME/ablate-results": str(store), "$HOME/ablate-cache": str(cache_folder())}
    job.write_text(_edited(ROOT / "cluster" / "slurm.sbatch", changes))
    variables = slurm.started(network, head, [head, right], cpus=1)

    head.run("ray", "get-auth-token", "--generate")
    said = network.folder / "slurm.out"
    options = ("--wait", f"--output={said}", str(job), "run", str(study), "resources.workers=2")
    head.run("sbatch", *options, timeout_s=400, **variables)

    records = Store.open(str(store)).records("launcher_smoke")
    assert [record.error for record in records if not record.completed] == []
    assert (len(records), {record.num_workers for record in records}) == (NUM_TRIALS, {2}), said.read_text()
    left = [title for name in ("head", "right") for title in network[name].processes().values() if "raylet" in title]
    assert left == []
    assert not re.search(r"Traceback", said.read_text())
