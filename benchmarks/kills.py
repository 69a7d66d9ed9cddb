"""Kills the processes of a running study, and checks that nothing was lost or run twice.

    python benchmarks/kills.py --rounds 10        # some 15 minutes on two cores
    python benchmarks/kills.py --quick            # one round

A round is a study of 26 simulated trials on a Ray cluster of two nodes (two raylets on this machine), one slot each.
At random moments (from a printed seed) it sends SIGKILL, in turn, to a Train worker, a Tune actor, the driver, and the
raylet of the second node. It then restarts the driver, and replaces the second node by a new one. At the end the store
must hold every planned trial once and completed. No trial may have started after it was recorded, and the metrics must
equal those of an undisturbed run. It touches only processes of the round's own cluster. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from ablative.orchestrator.driving.run import Experiment
from ablative.orchestrator.storing.records import Provenance
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.design import cells
from ablative.search_spaces.study import Study
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.simulated import Effect
from ablative.trainables.simulated import SimulatedTrainable
from simulated import simulated_inputs

ROOT = Path(__file__).resolve().parents[1]
NUM_TRIALS = 26
STUDY = Study.model_validate(
    {
        "study": "kills",
        "question": "Is anything lost?",
        "base": {},
        "arms": {"listed": {"plain": {}, "distilled": {"distillation.terms.image": 1.0}}},
        "search": {"trials": 8, "batch": 4, "space": {"optim.lr": {"loguniform": [1e-5, 1e-2]}}},
        "seeds": {"search": [0], "confirm": list(range(1, 6))},
        "evaluate": ["val", "test"],
        "resources": {"max_concurrent": 2},
    }
)
SIMULATED = SimulatedTrainable(
    effects=(Effect(where=(("distillation.terms.image", 1.0),), size=0.05),), seconds=0.8, sleeps=True
)
VICTIMS = ("worker", "tune", "driver", "raylet")
PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """Runs the simulated trainable and leaves the time of each start in a file named after the trial."""

    marks: str

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        with (Path(self.marks) / job.trial_id).open("a") as mark:
            mark.write(f"{time.time()}\n")
        return SIMULATED(job, link)


def experiment() -> Experiment:
    """Return the study with simulated data."""
    return Experiment(
        study=STUDY,
        cells=cells(STUDY, TrialConfig, canonical),
        inputs=simulated_inputs(),
        provenance=Provenance(host="kills"),
    )


def drive(address: str, uri: str, marks: str) -> None:
    """Run the trials still owed: the driver of a round."""
    from ablative.cluster.executor import RayExecutor
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.display import QuietDisplay

    store = Store.open(uri)
    executor = RayExecutor(
        address=address,
        resources=STUDY.resources,
        cache=Path(marks),
        checkpoints=store.checkpoints_uri(STUDY.study),
        run_trial=Marked(marks=marks),
    )
    with store.claims(STUDY.study) as claims:
        summary = run_study(experiment(), store, executor, QuietDisplay(), claims=claims)
    sys.exit(1 if summary.num_failed or summary.owed else 0)


def undisturbed() -> dict[str, dict[str, float]]:
    """Return trial id -> metrics of the study run here, trial after trial, with nothing in its way."""
    from ablative.orchestrator.driving.inline import InlineExecutor
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.display import QuietDisplay

    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(folder)
        run_trial = replace(SIMULATED, sleeps=False)
        executor = InlineExecutor(run_trial=run_trial, resources=STUDY.resources, cache=Path(folder))
        run_study(experiment(), store, executor, QuietDisplay())
        return {record.trial_id: record.metrics for record in store.records(STUDY.study)}


@dataclass(slots=True, kw_only=True)
class Round:
    """One study with its kills."""

    seed: int
    folder: Path
    cluster: Any
    node: Any
    """The second one."""
    driver: subprocess.Popen[bytes] | None = None

    def play(self) -> dict[str, Any]:
        """Run the study through all kills; return the findings."""
        rng = random.Random(self.seed)
        (self.folder / "marks").mkdir()
        started = time.monotonic()
        self.start_driver()
        for victim in VICTIMS:
            goal = self.num_records() + rng.randint(2, 4)
            self.until(lambda goal=goal: self.num_records() >= goal)  # type: ignore[misc]
            time.sleep(rng.uniform(0.0, SIMULATED.seconds))
            getattr(self, f"kill_{victim}")(rng)
        assert self.driver is not None
        status = self.driver.wait(timeout=PATIENCE_S)
        return {"seed": self.seed, "status": status, "seconds": time.monotonic() - started, **self.findings()}

    def findings(self) -> dict[str, Any]:
        """Compare the records with those of an undisturbed run."""
        records = Store.open(str(self.folder / "store")).records(STUDY.study)
        planned = undisturbed()
        found = {record.trial_id: record.metrics for record in records if record.completed}
        late, again = 0, 0
        for record in records:
            starts = [float(line) for line in (self.folder / "marks" / record.trial_id).read_text().split()]
            late += sum(start > record.finished_at.timestamp() for start in starts)
            again += len(starts) - 1
        return {
            "planned": len(planned),
            "recorded": len(records),
            "lost": len(planned.keys() - found.keys()),
            "unplanned": len(found.keys() - planned.keys()),
            "run_after_recorded": late,
            "attempts_repeated": again,
            "metrics_equal": found == planned,
        }

    def start_driver(self) -> None:
        """Start a driver; the cluster is there already."""
        command = [sys.executable, __file__, "--drive", self.cluster.address]
        command += [str(self.folder / "store"), str(self.folder / "marks")]
        log = (self.folder / "driver.log").open("ab")
        self.driver = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def kill_worker(self, rng: random.Random) -> None:
        """Kill a Train worker."""
        rng.choice(self.processes("TrainWorker")).kill()

    def kill_tune(self, rng: random.Random) -> None:
        """Kill a Tune actor: it has Tune's title in a step, and its own between two."""
        rng.choice(self.processes("ResourceTrainable", "Lane")).kill()

    def kill_driver(self, rng: random.Random) -> None:
        """Kill the driver and start another one."""
        assert self.driver is not None
        self.driver.kill()
        self.driver.wait()
        self.start_driver()

    def kill_raylet(self, rng: random.Random) -> None:
        """Kill the second node, and put a new one in its place."""
        psutil.Process(self.node.all_processes["raylet"][0].process.pid).kill()
        time.sleep(1.0)
        self.cluster.remove_node(self.node, allow_graceful=False)
        self.node = self.cluster.add_node(num_cpus=1)

    def processes(self, *names: str) -> list[psutil.Process]:
        """Return the processes of this round's raylets whose title has one of `names`; wait until there are some."""
        found: list[psutil.Process] = []

        def look() -> bool:
            raylets = [node.all_processes["raylet"][0].process.pid for node in self.cluster.list_all_nodes()]
            children = [child for raylet in raylets for child in psutil.Process(raylet).children(recursive=True)]
            found[:] = [child for child in children if any(name in _title(child) for name in names)]
            return bool(found)

        self.until(look)
        return found

    def num_records(self) -> int:
        """Return how many trials are recorded."""
        folder = self.folder / "store" / "studies" / STUDY.study / "trials"
        return len(list(folder.glob("[!.]*.arrow.gz"))) if folder.is_dir() else 0

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait while the driver runs; raises TimeoutError with its last words."""
        limit = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > limit or (self.driver is not None and self.driver.poll() is not None):
                log = (self.folder / "driver.log").read_text()[-3000:]
                raise TimeoutError(f"round {self.seed}: timed out; the driver said:\n{log}")
            time.sleep(0.1)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextmanager
def two_nodes() -> Iterator[tuple[Any, Any]]:
    """Give a cluster of two nodes, one CPU each, and its second node."""
    from ray.cluster_utils import Cluster

    from ablative.cluster.session import ENVIRONMENT

    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        yield cluster, cluster.add_node(num_cpus=1)
    finally:
        cluster.shutdown()


def play_round(seed: int) -> dict[str, Any]:
    """Play one round on a cluster of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, two_nodes() as (cluster, node):
        one = Round(seed=seed, folder=Path(folder), cluster=cluster, node=node)
        try:
            return one.play()
        finally:
            if one.driver is not None and one.driver.poll() is None:
                one.driver.kill()
                one.driver.wait()


def is_clean(found: dict[str, Any]) -> bool:
    """Return whether a round has lost nothing and repeated nothing."""
    bad = found["lost"] + found["unplanned"] + found["run_after_recorded"] + found["status"]
    return not bad and found["metrics_equal"] and found["recorded"] == found["planned"] == NUM_TRIALS


def main() -> None:
    """Play the rounds and print the findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next ones count on")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--drive", nargs=3, metavar=("ADDRESS", "STORE", "MARKS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        drive(*options.drive)
    found = []
    for seed in range(options.seed, options.seed + (1 if options.quick else options.rounds)):
        found.append(play_round(seed))
        print(json.dumps(found[-1]), flush=True)
    clean = sum(is_clean(each) for each in found)
    print(json.dumps({"benchmark": "kills", "rounds": len(found), "kills": len(found) * len(VICTIMS), "clean": clean}))
    sys.exit(0 if clean == len(found) else 1)


if __name__ == "__main__":
    main()
