"""How long compaction of single-trial files takes, and what readers see meanwhile.

    python benchmarks/compaction.py              # 10,000 trials: some minutes, most of them writing the files
    python benchmarks/compaction.py --quick      # 1,000 trials, half a minute

Each trial has 30 parameters, 20 metrics and a curve of 20 points, and is written as a run writes it. Printed: seconds
(and CPU seconds) to write the files, to open the store and read its uncompacted records, to compact it, and to read it
afterwards. While compaction runs, another process reads the trial ids again and again. The number of reads is printed,
and each read must see every trial exactly once. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.trainables.config import TrialConfig
from ablative.trainables.job import CurvePoint

STUDY = "compacted"
PARAMETERS, METRICS, POINTS = 30, 20, 20
GOALS_S = {"compact": 30.0, "open": 5.0}
"""Of 10,000 trials."""


def fill(store: Store, num_trials: int) -> None:
    """Write so many trials, one file each for record and curve."""
    rng = np.random.default_rng(0)
    config = TrialConfig().model_dump_json()
    for number in range(num_trials):
        store.write(_record(number, config, rng), _curve(rng))


def _record(number: int, config: str, rng: np.random.Generator) -> Record:
    arm = f"arm{number % 10}"
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    return Record(
        trial_id=f"{number:020x}", study=STUDY, arm=arm, is_reference=arm == "arm0", is_control=False,
        cell=arm, cell_id=arm, phase="search", proposal=number // 10, seed=0, status="completed", task="snli_ve",
        data_fraction=1.0, condition={}, config=config, evaluate=("val", "test"), seconds=1.0, device_seconds=1.0,
        parameters={f"optim.p{index}": repr(float(value)) for index, value in enumerate(rng.random(PARAMETERS))},
        metrics={f"val/m{index}": float(value) for index, value in enumerate(rng.random(METRICS))},
        teacher_passes=0, attempts=1, num_workers=1, device="cpu", data_digest="d", teacher_digest="",
        student_digest="", identity_version=1, commit="", dirty=False, versions={}, host="here",
        started_at=noon, finished_at=noon,
    )  # fmt: skip


def _curve(rng: np.random.Generator) -> list[CurvePoint]:
    values = enumerate(rng.random(POINTS))
    return [
        CurvePoint(step=step, split="val", metric="accuracy", value=float(value), seconds=1.0)
        for step, value in values
    ]


def read_again_and_again(uri: str, num_trials: int, compacted: Any, seen: Any) -> None:
    """Read until `compacted` is set; put (reads, reads that did not see every trial exactly once)."""
    reads = wrong = 0
    while True:
        last = compacted.is_set()
        ids = Store.open(uri).table(STUDY)["trial_id"].to_pylist()
        reads += 1
        wrong += len(ids) != num_trials or len(set(ids)) != num_trials
        if last:
            break
    seen.put((reads, wrong))


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Return wall and CPU seconds of `work`."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall_s": round(time.perf_counter() - wall, 2), "cpu_s": round(time.process_time() - cpu, 2)}


def measured(num_trials: int, folder: str) -> dict[str, Any]:
    """Write, read, compact beside a reader, and read again."""
    store = Store.open(folder)
    figures: dict[str, Any] = {"trials": num_trials, "write": timed(lambda: fill(store, num_trials))}
    figures["open"] = timed(lambda: Store.open(folder).table(STUDY))
    context = multiprocessing.get_context("spawn")
    compacted, seen = context.Event(), context.Queue()
    reader = context.Process(target=read_again_and_again, args=(folder, num_trials, compacted, seen))
    reader.start()
    figures["compact"] = timed(lambda: store.compact(STUDY))
    compacted.set()
    figures["reads_meanwhile"], figures["reads_wrong"] = seen.get(timeout=600)
    reader.join()
    figures["open_compacted"] = timed(lambda: Store.open(folder).table(STUDY))
    figures["files_left"] = sum(path.is_file() for path in Path(folder).rglob("*"))
    return figures


def main() -> None:
    """Measure once, with few trials or with the number that the goals are stated for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 trials")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(1_000 if options.quick else 10_000, folder)
    print(json.dumps({"benchmark": "compaction", "goals_s_at_10000": GOALS_S, **figures}))


if __name__ == "__main__":
    main()
