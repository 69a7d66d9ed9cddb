"""What a slot costs: memory, processes and threads on the head, and the driver's time for a trial.

    python benchmarks/slots.py                    # 1, 4 and 8 slots; then 10, 100 and 800 that are played
    python benchmarks/slots.py --quick            # 1 and 3 slots, then 20 played: two minutes on two cores

Real slots: a private Ray on this machine, one worker a trial and no torch. While every slot holds a trial, each
process is looked at. Memory is PSS, which counts a page shared by n processes as 1/n; RSS would count it n times.
Workers and Ray's idle processes are told apart from the head's, for on a cluster they are elsewhere. Then the trials
end at once, and the further ones do no work: the driver's processor time for a trial, and trials a second.

Played slots: as many as are asked for, beyond what this machine has memory for. The driver, Tune and the board are
the real ones, in processes of their own; workers are coroutines beside the board that take and settle trials at once.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablative.cluster import groups
from ablative.cluster.executor import RayExecutor
from ablative.cluster.tickets import Later
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome

FURTHER = 20
"""Trials a slot that do no work; fewer where slots are played."""
DONE = TrialOutcome(status="completed", metrics={"val/accuracy": 0.5, "test/accuracy": 0.5}, seconds=0.0)
ELSEWHERE = ("ray::RayTrainWorker", "ray::IDLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A trial that marks its start, and ends once there is a file `go`."""

    folder: str

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        go = Path(self.folder) / "go"
        if not go.exists():
            (Path(self.folder) / f"held-{job.trial_id}").touch()
        while not go.exists():
            time.sleep(0.1)
        return DONE


class PlayedHost(groups.GroupHost):
    """The board whose groups are coroutines: each takes trials and settles them at once."""

    async def start(self, slots: Any, settings: dict[str, Any], premises: Any, scratch: str) -> None:
        """Play the groups of these slots."""
        await self.resize(premises)
        for slot in slots:
            self._later(self._play(slot, settings["run_trial"]))

    async def _play(self, slot: int, run_trial: Held) -> None:
        await self.turn(slot)
        await self.join(slot, "played", size=1, rank=0, pid=0)
        index = 0
        while (job := await self.take(slot, "played", index)) is not None:
            if isinstance(job, Later):
                await asyncio.sleep(job.seconds)
                continue
            (Path(run_trial.folder) / f"held-{slot}").touch()
            while not (Path(run_trial.folder) / "go").exists():
                await asyncio.sleep(0.5)
            outcome = TrialOutcome(
                status="completed", metrics={"val/accuracy": 0.5, "test/accuracy": 0.5}, seconds=0.0
            )
            await self.settle(slot, "played", 0, outcome)
            index += 1


def measured(slots: int, played: bool, folder: str) -> dict[str, Any]:
    """Run a study on `slots` slots; return its figures."""
    import slots as importable  # by Ray's workers, which this file's classes as a script are not
    from ablative.orchestrator.deciding.queue import TrialQueue
    from ablative.orchestrator.driving.run import Experiment
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.display import QuietDisplay
    from ablative.orchestrator.storing.records import Provenance
    from ablative.orchestrator.storing.records import Record
    from ablative.orchestrator.storing.store import Store
    from ablative.search_spaces.design import cells
    from ablative.search_spaces.study import Study
    from ablative.trainables.config import TrialConfig
    from ablative.trainables.config import canonical
    from simulated import simulated_inputs

    if played:
        groups.GroupHost = importable.PlayedHost  # type: ignore[misc]
    further = max(2, FURTHER * 20 // slots) if played else FURTHER
    number = slots * (1 + further)
    times: list[tuple[float, float]] = []

    class Display(QuietDisplay):
        def finished(self, record: Record, queue: TrialQueue) -> None:
            assert record.completed, record.error
            times.append((time.perf_counter(), time.process_time()))

    study = Study.model_validate(
        {
            "study": "slots",
            "question": "What does a slot cost?",
            "base": {},
            "arms": {"listed": {f"arm{arm}": {"optim.lr": 1e-4 * (1 + arm)} for arm in range(slots // 100 + 1)}},
            "seeds": {"search": [0], "confirm": list(range(1, number // (slots // 100 + 1) + 1))},
            "resources": {"max_concurrent": slots},
        }
    )
    experiment = Experiment(
        study=study,
        cells=cells(study, TrialConfig, canonical),
        inputs=simulated_inputs(),
        provenance=Provenance(host="slots"),
    )
    executor = RayExecutor(
        address="local", resources=study.resources, cache=Path(folder), run_trial=importable.Held(folder=folder)
    )
    found: dict[str, Any] = {}
    began = time.perf_counter()

    def look() -> None:
        while len(list(Path(folder).glob("held-*"))) < slots:
            time.sleep(0.2)
        found["up_s"] = round(time.perf_counter() - began, 1)
        found.update(processes(os.getpid()))
        (Path(folder) / "go").touch()

    threading.Thread(target=look, daemon=True).start()
    from ablative.cluster.session import connect

    with connect("local", num_cpus=slots):
        run_study(experiment, Store.open(folder), executor, Display())
    (first, first_used), (last, last_used) = times[slots], times[-1]
    trials = len(times) - slots - 1
    rate = {
        "trials_a_s": round(trials / (last - first), 1),
        "driver_ms": round(1e3 * (last_used - first_used) / trials, 2),
    }
    return {"slots": slots, "played": played, **found, **rate}


def processes(root: int) -> dict[str, Any]:
    """Return what the descendants of a process hold: on the head in sum and by name, and a worker on average."""
    kinds: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for pid in _descendants(root):
        try:
            name = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
            memory = next(
                int(line.split()[1]) / 1024
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                if line.startswith("Pss:")
            )
            kinds[_short(name)].append((memory, len(os.listdir(f"/proc/{pid}/task"))))
        except (OSError, StopIteration):  # it has ended
            continue
    here = {name: seen for name, seen in kinds.items() if not name.startswith(ELSEWHERE)}
    workers = [seen for name, each in kinds.items() if name.startswith(ELSEWHERE[0]) for seen in each]
    return {
        "head_mb": round(sum(memory for seen in here.values() for memory, _ in seen)),
        "head_processes": sum(len(seen) for seen in here.values()),
        "head_threads": sum(threads for seen in here.values() for _, threads in seen),
        "worker_mb": round(sum(memory for memory, _ in workers) / max(1, len(workers))),
        "by_name": {
            name: [len(seen), round(sum(memory for memory, _ in seen))] for name, seen in sorted(here.items())
        },
    }


def _short(name: str) -> str:
    return name.split(".")[0].split(":cleanup")[0] if name.startswith("ray::") else Path(name).name


def _descendants(root: int) -> Iterator[int]:
    for child in Path(f"/proc/{root}/task").glob("*/children"):
        for pid in child.read_text().split():
            yield int(pid)
            yield from _descendants(int(pid))


def apart(call: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Call in a process of its own, with a temporary folder."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            return process.submit(call, *arguments, folder).result()


def main() -> None:
    """Measure every number of slots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few slots")
    parser.add_argument("--slots", type=int, nargs="*", help="[1 4 8]")
    parser.add_argument("--played", type=int, nargs="*", help="[10 100 800]")
    options = parser.parse_args()
    slots = options.slots if options.slots is not None else ([1, 3] if options.quick else [1, 4, 8])
    played = options.played if options.played is not None else ([20] if options.quick else [10, 100, 800])
    rows = []
    for number, is_played in [*((one, False) for one in slots), *((one, True) for one in played)]:
        rows.append(apart(measured, number, is_played))
        print(json.dumps(rows[-1]), flush=True)
    real = [row for row in rows if not row["played"]]
    each = {}
    if len(real) > 1:
        more = real[-1]["slots"] - real[0]["slots"]
        names = ("head_mb", "head_processes", "head_threads")
        each = {name: round((real[-1][name] - real[0][name]) / more, 2) for name in names}
        print("each further slot costs the head", each)
    print(json.dumps({"benchmark": "slots", "rows": rows, "each": each}))


if __name__ == "__main__":
    main()
