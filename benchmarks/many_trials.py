"""A study of many trials through Ray, beside plain Ray Tune with reused actors on the same number of trials.

    python benchmarks/many_trials.py              # 200, 1,000 and 10,000 trials: an hour on two cores
    python benchmarks/many_trials.py --quick      # 60 and 200 trials, a minute

Both sides run trials of three reports and no work on two slots. Ours records every trial in Parquet; plain Tune keeps
its state and result files. Printed for each number: trials a second, over all and over the first and last tenth, the
driver's memory, and bytes and files a trial. Start-up is left out: time counts from the first ended trial to the last.
Plain Tune is stopped after `--tune-limit` seconds, and its rate is that of what it did. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SLOTS = 2
REPORTS = 3


def ours(num_trials: int, folder: str, limit_s: float) -> dict[str, Any]:
    """Run a study of `num_trials` confirm trials; return its figures."""
    from cluster.executor import RayExecutor
    from orchestrator.display import QuietDisplay
    from orchestrator.inputs import Inputs
    from orchestrator.queue import TrialQueue
    from orchestrator.records import Provenance
    from orchestrator.records import Record
    from orchestrator.run import Experiment
    from orchestrator.run import run_study
    from orchestrator.store import Store
    from search_spaces.design import cells
    from search_spaces.study import Study
    from trainables.config import TrialConfig
    from trainables.config import canonical
    from trainables.simulated import SimulatedTrainable

    clock = Clock(num_trials)

    class Display(QuietDisplay):
        def finished(self, record: Record, queue: TrialQueue) -> None:
            clock.tick()

    study = Study.model_validate(
        {
            "study": "many",
            "question": "How fast?",
            "base": {"optim": {"evaluations": REPORTS}},
            "conditions": {"optim.weight_decay": [round(1e-4 * (i + 1), 6) for i in range(num_trials // 10)]},
            "seeds": {"search": [0], "confirm": list(range(1, 11))},
            "resources": {"max_concurrent": SLOTS},
        }
    )
    inputs = Inputs(splits=lambda config: ("train", "val", "test"), digests=lambda config: ("simulated", "", ""))
    built = cells(study, TrialConfig, canonical)
    experiment = Experiment(study=study, cells=built, inputs=inputs, provenance=Provenance(host="many"))
    store = Store.open(folder)
    executor = RayExecutor(
        address="local", resources=study.resources, cache=Path(folder), run_trial=SimulatedTrainable()
    )
    summary = run_study(experiment, store, executor, Display())
    assert summary.ran == num_trials and not summary.num_failed
    store.compact("many")
    again = time.perf_counter()
    repeated = run_study(experiment, Store.open(folder), executor, QuietDisplay())
    assert repeated.ran == 0
    return {**clock.figures(), **_size(Path(folder), num_trials), "resume_s": round(time.perf_counter() - again, 2)}


def plain_tune(num_trials: int, folder: str, limit_s: float) -> dict[str, Any]:
    """Run as many trials of plain Tune; return its figures."""
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(SLOTS)
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    import ray
    from ray import tune

    clock = Clock(num_trials)

    class Ticking(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            clock.tick()

    ray.init(address="local", num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    tuner = tune.Tuner(
        _reporting(),
        param_space={"x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(
            num_samples=num_trials, reuse_actors=True, max_concurrent_trials=SLOTS, time_budget_s=limit_s
        ),
        run_config=tune.RunConfig(
            storage_path=folder,
            name="plain",
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[Ticking()],
        ),
    )
    tuner.fit()
    ray.shutdown()
    return {**clock.figures(), **_size(Path(folder), max(1, clock.count))}


def _reporting() -> type:
    from ray import tune

    class Reporting(tune.Trainable):
        """Reports three times and ends."""

        def setup(self, config: dict[str, Any]) -> None:
            self.count = 0

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.count = 0
            return True

        def step(self) -> dict[str, Any]:
            self.count += 1
            return {"accuracy": 0.1 * self.count, "done": self.count == REPORTS}

    return Reporting


class Clock:
    """Notes when trials end."""

    def __init__(self, num_trials: int) -> None:
        self.count = 0
        self._every = max(1, num_trials // 10)
        self._marks: list[float] = []

    def tick(self) -> None:
        """Count an ended trial."""
        if self.count % self._every == 0:
            self._marks.append(time.perf_counter())
        self.count += 1
        self._last = time.perf_counter()

    def figures(self) -> dict[str, Any]:
        """Return trials a second and this process's memory."""
        from trainables.processes import resident_mb

        tenths = [later - earlier for earlier, later in zip(self._marks, [*self._marks[1:], self._last], strict=True)]
        return {
            "trials": self.count,
            "per_s": round((self.count - 1) / (self._last - self._marks[0]), 2),
            "per_s_first_tenth": round(self._every / tenths[0], 2),
            "per_s_last_tenth": round(self._every / tenths[-1 if self.count % self._every == 0 else -2], 2),
            "driver_mb": round(resident_mb()),
        }


def _size(folder: Path, num_trials: int) -> dict[str, Any]:
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"bytes_a_trial": round(sum(files) / num_trials), "files_a_trial": round(len(files) / num_trials, 3)}


def measured(side: Callable[[int, str, float], dict[str, Any]], num_trials: int, limit_s: float) -> dict[str, Any]:
    """Run one side in a process of its own, so that each starts alike."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        queue: Any = multiprocessing.get_context("spawn").Queue()
        process = multiprocessing.get_context("spawn").Process(
            target=_put, args=(queue, side, num_trials, folder, limit_s)
        )
        process.start()
        found: dict[str, Any] = queue.get(timeout=6 * 3600)
        process.join()
        return found


def _put(queue: Any, side: Callable[[int, str, float], dict[str, Any]], *arguments: Any) -> None:
    try:
        queue.put(side(*arguments))
    except BaseException as error:
        queue.put({"error": repr(error)})
        raise


def main() -> None:
    """Measure both sides at every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small numbers")
    parser.add_argument("--trials", type=int, nargs="*", help="numbers of trials, multiples of ten")
    parser.add_argument("--tune-limit", type=float, default=1800.0, help="seconds after which plain Tune is stopped")
    options = parser.parse_args()
    sizes = options.trials or ([60, 200] if options.quick else [200, 1000, 10_000])
    found = []
    for size in sizes:
        row = {
            "trials": size,
            "ours": measured(ours, size, options.tune_limit),
            "plain_tune": measured(plain_tune, size, options.tune_limit),
        }
        row["ratio"] = round(row["ours"].get("per_s", 0.0) / row["plain_tune"].get("per_s", float("nan")), 2)
        print(json.dumps(row), flush=True)
        found.append(row)
    print(json.dumps({"benchmark": "many_trials", "rows": found}))


if __name__ == "__main__":
    main()
