"""The launch files that can be run here: by ssh on three machines from a fourth, and as a job of Debian's Slurm."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ablative.cluster.metrics import COUNTERS
from ablative.cluster.metrics import GAUGES
from ablative.cluster.metrics import PREFIX
from ablative.orchestrator.storing.store import Store
from ablative.trainables.cache import cache_folder
from tests.helpers import machines
from tests.helpers import slurm
from tests.helpers.launcher_smoke import NUM_TRIALS
from tests.helpers.launcher_smoke import TINY_STUDY
from tests.helpers.loopback_machine import prepare_home
from tests.helpers.machines import Machine
from tests.helpers.machines import Machines
from tests.helpers.sources import ROOT
from tests.helpers.ssh_cluster import edited
from tests.helpers.ssh_cluster import written

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

NODES = ("head", "left", "right")
WORKERS_S = 240
START_S = WORKS_S = 180
AGAIN_S = ENDED_S = 60
CUT_S = 90
PARTS = ROOT / "tests" / "integration" / "wandering_parts.py"
WANDERING = """
study: wandering
question: Does a study come through whatever happens to its machines?
trainable: wandering
base: {{marks: {marks}, seconds: 12}}
arms: {{listed: [narrow, strong, wide], reference: narrow}}
resources: {{where: [{{when: {{wide: true}}, workers: 2}}]}}
seeds: {{search: [0], confirm: 1-24}}
"""
NUM_WANDERING = 72
ASK_ENDPOINTS = """
import json
from contextlib import suppress
from urllib.request import urlopen
for group in json.load(open("/tmp/ray/prom_metrics_service_discovery.json")):
    for target in group["targets"]:
        with suppress(OSError):  # a machine that is cut off
            print(urlopen(f"http://{target}/metrics", timeout=2).read().decode())
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    reason = machines.missing()
    if reason and not os.environ.get("CI"):  # in CI it must run
        pytest.skip(reason)
    with machines.started(tmp_path_factory.mktemp("network"), ("laptop", *NODES, "late")) as found:
        yield found


def test_a_slurm_job_runs_a_study_and_leaves_nothing_behind(network: Machines) -> None:
    reason = slurm.missing()
    if reason and (os.geteuid() != 0 or not os.environ.get("CI")):  # in CI as root it must run
        pytest.skip(reason)
    head, right = network["head"], network["right"]
    job, study, store = network.folder / "slurm.sbatch", network.folder / "tiny.yaml", network.folder / "results"
    study.write_text(TINY_STUDY)
    changes = {"#SBATCH --gpus-per-node=1\n": "", "--cpus-per-task=8": "--cpus-per-task=1"}
    changes |= {"$HOME/ablate-results": str(store), "$HOME/ablate-cache": str(cache_folder())}
    job.write_text(edited(ROOT / "cluster" / "slurm.sbatch", changes))
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


@pytest.fixture(scope="module")
def launched(network: Machines) -> Iterator[Path]:
    """Three machines of one CPU each, brought up from the laptop by `ssh.yaml`; all have ended afterwards."""
    laptop, file = network["laptop"], written(network, NODES)
    prepare_home(network["late"].folder / "home")
    laptop.run("ray", "get-auth-token", "--generate")
    laptop.run("ray", "up", str(file), "-y", timeout_s=300)
    until = time.monotonic() + WORKERS_S
    while "3 local.cluster.node" not in (told := laptop.run("ray", "exec", str(file), "ray status")):
        assert time.monotonic() < until, told
        time.sleep(5)
    yield file
    laptop.run("ray", "down", str(file), "-y")
    until = time.monotonic() + WORKERS_S  # `ray down` ends the head; workers end a minute after they have lost it
    while any("raylet/raylet" in title for name in NODES for title in network[name].processes().values()):
        assert time.monotonic() < until
        time.sleep(1)


def test_ssh_brings_up_every_worker_with_one_token(network: Machines, launched: Path) -> None:
    laptop = network["laptop"]
    ablate = ("ray", "submit", str(launched), "orchestrator/ablate.py", "--")
    said = laptop.run(*ablate, "cluster", "check", "quickstart")
    own = "ABLATE_CACHE=/dev/shm/own python ~/ablate.py cluster check --json; echo status $?"
    unshared = laptop.run("ray", "exec", str(launched), own)

    tokens = {(network[name].folder / "home" / ".ray" / "auth_token").read_text() for name in ("laptop", *NODES)}
    assert len(tokens) == 1
    assert "3 machines answer" in said and "fault" not in said and "caution" not in said
    assert "/own on" in unshared and "is not the folder seen here" in unshared and "status 2" in unshared


def test_a_study_goes_on_through_a_cut_link_a_killed_machine_and_one_that_joins(
    network: Machines, launched: Path
) -> None:
    """Trials of one worker, then of two. Each machine's name and process are in the marks that its trials leave."""
    laptop, head, left, right, late = (network[name] for name in ("laptop", *NODES, "late"))
    marks, said, study = network.folder / "marks", network.folder / "said", network.folder / "wandering.yaml"
    marks.mkdir()
    study.write_text(WANDERING.format(marks=marks))
    run = ("run", str(study), "--with", str(PARTS))
    driver = laptop.begin("ray", "submit", str(launched), "orchestrator/ablate.py", "--", *run, said=said)
    figures = {"first trial": _until(lambda: bool(_marks(marks, "left") and _marks(marks, "right")), WORKS_S, said)}

    tasks = head.run("ray", "list", "tasks", "--limit", "1000", "--format", "json", RAY_AUTH_MODE="token")
    assert re.search(r'"name": "(narrow|strong|wide) confirm seed \d+"', tasks), tasks
    actors = head.run("ray", "list", "actors", "--detail", "--format", "json", RAY_AUTH_MODE="token")
    assert '"repr_name": "board of wandering"' in actors and re.search(r'"repr_name": "wandering slot \d"', actors), (
        actors
    )

    network.cut("left")
    cut_at = time.monotonic()
    lost, before = {mark[0] for mark in _marks(marks, "left") if not _ended(network, mark[0])}, _all_marks(marks)
    assert lost
    _until(lambda: f"machine {left.address} was lost" in said.read_text(errors="replace"), AGAIN_S, said)
    figures["cut machine is lost"] = time.monotonic() - cut_at
    _until(
        lambda: lost <= {mark[0] for mark in _all_marks(marks) - before},
        AGAIN_S - figures["cut machine is lost"],
        said,
    )
    figures["cut trial runs again"] = time.monotonic() - cut_at

    _kill_ray(right)
    killed = _marks(marks, "right")
    _join(right, head)
    figures["machine that came back"] = _until(lambda: bool(_marks(marks, "right") - killed), AGAIN_S, said)
    shutil.copytree(head.folder / "home" / ".ray", late.folder / "home" / ".ray")
    _join(late, head)
    figures["machine that joined"] = _until(lambda: bool(_marks(marks, "late")), AGAIN_S, said)

    _drain(late, head)
    figures["trial gives way after a notice"] = _until(lambda: any(marks.glob("*.late.gave_way")), AGAIN_S, said)
    exported = {f"{PREFIX}{name}" for name in GAUGES} | {f"{PREFIX}{name}_total" for name in COUNTERS}
    figures["metrics are told"] = _until(lambda: exported <= _metrics(head, "wandering"), AGAIN_S, said)
    time.sleep(max(0.0, CUT_S - (time.monotonic() - cut_at)))
    network.cut("left", off=False)
    old = _workers(left)
    figures["orphans end"] = _until(lambda: not _workers(left) & old, ENDED_S, said)
    (marks / "hurry").touch()
    assert driver.wait(timeout=START_S) == 0, said.read_text()
    print({name: round(seconds) for name, seconds in figures.items()})

    store = Store.open(str(network.folder / "shared" / "results"))
    records = store.records("wandering")
    alone = _alone(laptop, study, network.folder / "alone")
    assert {record.trial_id: dict(record.metrics) for record in records} == alone
    assert len(records) == len(alone) == NUM_WANDERING
    assert {(record.arm, record.num_workers) for record in records} == {("narrow", 1), ("strong", 1), ("wide", 2)}
    until = time.monotonic() + ENDED_S
    while any(map(_workers, (head, left, right, late))) or store.checkpoints("wandering").trials():
        assert time.monotonic() < until, [_workers(machine) for machine in (head, left, right, late)]
        time.sleep(0.5)


def _alone(laptop: Machine, study: Path, store: Path) -> dict[str, dict[str, float]]:
    """Return trial id -> metrics where one process runs the study, without Ray."""
    ablate = (sys.executable, "-m", "ablative.orchestrator.commands.cli")
    laptop.run(*ablate, "run", str(study), "--with", str(PARTS), "--executor", "inline", "--store", str(store))
    return {record.trial_id: dict(record.metrics) for record in Store.open(str(store)).records("wandering")}


def _ended(network: Machines, trial_id: str) -> bool:
    store = Store.open(str(network.folder / "shared" / "results"))
    return any(record.trial_id == trial_id for record in store.records("wandering"))


def _all_marks(folder: Path) -> set[tuple[str, ...]]:
    """Return (trial id, machine, process id) of each start of a trial."""
    return {tuple(path.name.split(".")) for path in folder.glob("*.*.*")}


def _marks(folder: Path, machine: str) -> set[tuple[str, ...]]:
    return {mark for mark in _all_marks(folder) if mark[1] == machine}


def _workers(machine: Machine) -> set[str]:
    return {f"{pid} {title}" for pid, title in machine.processes().items() if "RayTrainWorker" in title}


def _kill_ray(machine: Machine) -> None:
    """End all of a machine's Ray processes at once, as when its power fails."""
    for pid, title in machine.processes().items():
        if "ray" in title and "sshd" not in title:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _join(machine: Machine, head: Machine) -> None:
    where = (f"--address={head.address}:6379", f"--node-ip-address={machine.address}", "--num-cpus=1")
    machine.run("ray", "start", *where, "--disable-usage-stats", RAY_AUTH_MODE="token")


def _metrics(head: Machine, study: str) -> set[str]:
    """Return the names of the study's metrics at the endpoints that Ray lists on the head for Prometheus."""
    lines = head.run(sys.executable, "-c", ASK_ENDPOINTS).splitlines()
    return {line.partition("{")[0] for line in lines if f'study="{study}"' in line}


def _drain(machine: Machine, head: Machine) -> None:
    """Give notice that the machine is taken away in a minute, as clouds do for spot machines."""
    address = f"{head.address}:6379"
    code = f"from ray._raylet import GcsClient as C; nodes = C(address='{address}').get_all_node_info(timeout=10)"
    code += f"; print(*(n.node_id.hex() for n in nodes.values() if n.node_manager_address == '{machine.address}'))"
    node = head.run(sys.executable, "-c", code, RAY_AUTH_MODE="token").split()[-1]
    why = (
        "--reason",
        "DRAIN_NODE_REASON_PREEMPTION",
        "--reason-message",
        "spot",
        "--deadline-remaining-seconds",
        "60",
    )
    head.run("ray", "drain-node", "--address", address, "--node-id", node, *why, RAY_AUTH_MODE="token")


def _until(condition: Callable[[], bool], seconds: float, said: Path) -> float:
    """Wait; return how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, said.read_text(errors="replace")[-3000:]
        time.sleep(0.1)
    return time.monotonic() - began
