"""A head without CPUs, two machines that work and a laptop, each in namespaces of its own, with real Ray on them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablative.orchestrator.storing.store import Store
from ablative.trainables.cache import cache_folder
from tests.helpers import machines
from tests.helpers.machines import Machine
from tests.helpers.machines import Machines
from tests.helpers.sources import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

NODE = ("--disable-usage-stats", "--object-store-memory=80000000")
START_S = 180
WORKS_AGAIN_S = 60
A_JOBS_OWN = {
    "HF_HUB_OFFLINE": "0",
    "RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps(
        {"runtime_env": {"env_vars": {"HF_HUB_OFFLINE": "0", "PYTHONPATH": "/the/jobs/own"}}}
    ),
}
"""What Ray sets in the driver of a submitted job that sets variables which ours sets too."""
ENDED_S = 60
TRIES = 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """The head has no CPU, `left` and `right` have one each; `laptop` reaches all and belongs to nothing."""
    reason = machines.missing()
    if reason and not os.environ.get("CI"):  # in CI it must run
        pytest.skip(reason)
    with machines.started(tmp_path_factory.mktemp("machines"), ("head", "left", "right", "laptop")) as found:
        head = found["head"]
        head.run(
            *("ray", "start", "--head", "--num-cpus=0", "--port=6379", "--dashboard-host=127.0.0.1"),
            *(f"--node-ip-address={head.address}", *NODE),
        )
        for name in ("left", "right"):
            _join(found[name], head)
        yield found


@pytest.fixture
def place(cluster: Machines) -> Path:
    """A folder that all machines see."""
    return Path(tempfile.mkdtemp(dir=cluster.folder))


def _join(machine: Machine, head: Machine) -> None:
    where = (f"--address={head.address}:6379", f"--node-ip-address={machine.address}")
    machine.run("ray", "start", *where, "--num-cpus=1", *NODE)


def _drive(address: str, folder: Path, *options: str) -> tuple[str, ...]:
    folder.mkdir()
    return ("python", "-m", "tests.integration.afield", address, str(folder), *options)


def _run_with_agent(head: Machine, *command: str, **variables: str) -> str:
    """Run a command that starts a job: a machine that has just started has no agent for jobs yet."""
    for left in reversed(range(TRIES)):
        try:
            return head.run(*command, timeout_s=400, **variables)
        except AssertionError as error:
            if not left or "No available agent" not in str(error):
                raise
            time.sleep(2)
    raise AssertionError


def _marks(folder: Path, machine: str) -> set[str]:
    return {path.name for path in (folder / "marks").glob(f"*.{machine}.*")}


def _until(condition: Callable[[], bool], seconds: float, said: Path) -> float:
    """Wait; return how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, said.read_text()
        time.sleep(0.1)
    return time.monotonic() - began


@pytest.mark.parametrize("address", ["{head}:6379", "ray://{head}:10001", "auto"])
def test_a_laptop_is_told_in_one_line_what_does_work(cluster: Machines, place: Path, address: str) -> None:
    said, where = place / "said", address.format(head=cluster["head"].address)
    process = cluster["laptop"].begin(*_drive(where, place / "run"), said=said)
    assert process.wait(timeout=60) == 2
    (line,) = [line for line in said.read_text().splitlines() if not line.startswith("starting the workers")]
    assert ("ray start --head" if address == "auto" else "ray submit") in line
    assert not (place / "run" / "store").exists()


def test_a_head_without_cpus_prepares_elsewhere_and_two_workers_meet_whose_names_are_127_0_1_1(
    cluster: Machines, place: Path
) -> None:
    run, options = place / "run", ("--workers", "2", "--trials", "1", "--seconds", "0")
    said = cluster["head"].run(*_drive("auto", run, *options), timeout_s=START_S, **A_JOBS_OWN)

    assert {path.name for path in (run / "marks").glob("prepared.*")} < {"prepared.left", "prepared.right"}
    assert len(_marks(run, "left")) == len(_marks(run, "right")) == 1
    (record,) = Store.open(str(run / "store")).records("simulated")
    assert (record.device, record.attempts) == ("total 3", 1)
    assert "(raylet)" not in said


def test_machines_that_share_no_cache_are_refused_at_once_and_nothing_is_recorded(
    cluster: Machines, place: Path
) -> None:
    said, run, cache, right = place / "said", place / "run", place / "cache", cluster["right"]
    cache.mkdir()
    right.run("mount", "-t", "tmpfs", "tmpfs", str(cache))
    try:
        driver = cluster["head"].begin(*_drive("auto", run, "--cache", str(cache)), said=said)
        assert driver.wait(timeout=START_S) == 2
    finally:
        right.run("umount", str(cache))
    told = said.read_text().splitlines()[-1]
    assert f"cache {cache} on {right.address} is not the folder seen here" in told
    assert "ABLATE_CACHE" in told
    assert list(cache.iterdir()) == []
    assert Store.open(str(run / "store")).studies() == []


def test_a_machine_that_is_lost_is_waited_for_and_works_again_as_soon_as_it_is_back(
    cluster: Machines, place: Path
) -> None:
    head, right, said, run = cluster["head"], cluster["right"], place / "said", place / "run"
    variables = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "2"}  # three of them, and a slot used to be given up
    driver = head.begin(*_drive("auto", run, "--trials", "6", "--seconds", "600"), said=said, **variables)
    _until(lambda: bool(_marks(run, "right") and _marks(run, "left")), START_S, said)

    (raylet,) = [pid for pid, title in right.processes().items() if title.split()[0].endswith("raylet/raylet")]
    os.kill(raylet, signal.SIGKILL)
    _until(lambda: not any("RayTrainWorker" in title for title in right.processes().values()), ENDED_S, said)
    _until(lambda: "1 of 2 worker groups waits for 1 CPU on one machine" in said.read_text(), 30, said)
    right.run("ray", "stop", "--force")
    time.sleep(5)
    before = _marks(run, "right")
    _join(right, head)
    took = _until(lambda: bool(_marks(run, "right") - before), WORKS_AGAIN_S, said)
    print(f"a machine that came back took its first trial after {took:.0f} s")

    (run / "marks" / "hurry").touch()
    assert driver.wait(timeout=START_S) == 0, said.read_text()
    store = Store.open(str(run / "store"))
    assert sorted(record.seed for record in store.records("simulated") if record.completed) == list(range(1, 7))
    assert store.checkpoints("simulated").trials() == []
    told = said.read_text()
    assert told.count(f"machine {right.address} was lost") == 1
    assert "Ray's own messages go to" in told
    assert "StackTrace" not in told and "state-dump" not in told and "(raylet)" not in told


def test_a_submitted_job_carries_a_file_of_parts_to_workers_on_two_machines(cluster: Machines, place: Path) -> None:
    """`ray job submit` sends the folder; --with names a file there, and no other machine has it."""
    head, mine = cluster["head"], cluster["head"].folder / "home" / "mine"
    mine.mkdir()
    for name in ("own_loss.py", "own_loss.yaml"):
        shutil.copy(ROOT / "docs" / "examples" / name, mine)
    store = str(place / "store")
    run = ("run", "own_loss.yaml", "seeds.confirm=[1,2]", "resources.workers=2", "--with", "own_loss.py")
    cache = ("env", f"ABLATE_CACHE={cache_folder()}")
    ablate = (*cache, sys.executable, "-m", "ablative.orchestrator.commands.cli", *run)
    submit = ("ray", "job", "submit", "--address", "http://127.0.0.1:8265", "--working-dir", str(mine))
    _run_with_agent(head, *submit, "--", *ablate, "--address", "auto", "--store", store)

    records = Store.open(store).records("own_loss")
    assert [record.error for record in records if not record.completed] == []
    assert {record.arm for record in records} == {"agreement", "published", "no_distillation"}
    assert {record.num_workers for record in records} == {2}
    assert {len(record.parts["term/agreement"]) for record in records if record.arm == "agreement"} == {64}


def test_a_detached_run_outlives_its_client_is_joined_by_the_same_line_and_keeps_its_exit_status(
    cluster: Machines, place: Path
) -> None:
    head, said = cluster["head"], place / "said"
    variables = {"ABLATE_STORE": str(place / "store"), "ABLATE_CACHE": str(place / "cache")}
    study = str(ROOT / "docs" / "examples" / "digits_distillation.yaml")
    ablate = (sys.executable, "-m", "ablative.orchestrator.commands.cli")
    line = (*ablate, "run", study, "search.trials=6", "search.batch=3", "--detach")
    line += ("--with", str(ROOT / "docs" / "examples" / "digits_distillation.py"))

    first = _run_with_agent(head, *line, **variables)
    second = head.run(*line, **variables)
    client = head.begin(*ablate, "attach", study, said=said, **variables)
    _until(lambda: "digits_distillation" in said.read_text(), START_S, said)
    client.kill()
    attached = head.run(*ablate, "attach", study, timeout_s=400, **variables)

    (job,) = set(re.findall(r"runs as (\S+);", first))
    assert f"runs already as {job};" in second
    records = Store.open(variables["ABLATE_STORE"]).records("digits_distillation")
    assert [record.error for record in records if record.status == "failed"] == []
    assert f"{len(records)} " in attached and "digits_distillation" in attached

    more = head.run(*line, "seeds.confirm=[1,2,3,4,5,6,7,8,9,10,11,12]", **variables)
    assert job not in more
    _until(lambda: len(Store.open(variables["ABLATE_STORE"]).records("digits_distillation")) > len(records), 180, said)
    assert "is stopped" in head.run(*ablate, "stop", study, **variables)
    ended = head.begin(*ablate, "attach", study, said=said, **variables)
    assert ended.wait(timeout=120) == 143
    assert "Stopped. Finished trials are recorded" in said.read_text()


def test_a_study_that_never_ran_detached_has_nothing_to_attach_to_or_to_stop(cluster: Machines, place: Path) -> None:
    said = place / "said"
    for command in ("attach", "stop"):
        words = (sys.executable, "-m", "ablative.orchestrator.commands.cli", command, "quickstart")
        assert cluster["head"].begin(*words, said=said, ABLATE_STORE=str(place)).wait(timeout=120) == 2
        (told,) = said.read_text().splitlines()
        assert "ablate run quickstart --detach" in told
