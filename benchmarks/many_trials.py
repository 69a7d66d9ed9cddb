"""A study of many trials through Ray, beside plain Ray Tune with reused actors on the same number of trials.

    python benchmarks/many_trials.py              # 200, 1,000 and 10,000 trials: an hour on two cores
    python benchmarks/many_trials.py --quick      # 60 and 200 trials, a minute

Both sides run trials of three reports and no work on two slots. Ours records every trial in Parquet; plain Tune keeps
its state and result files. Each size prints trials a second, over all and over the first and last tenth, and the
driver's memory after each tenth. It also prints bytes and files a trial, and the time of a restart that finds
everything recorded. Start-up is left out: time counts from the first ended trial to the last. Plain Tune is stopped
after `--tune-limit` seconds; its rate covers the trials that it finished. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

SLOTS = 2
REPORTS = 3

Side = Callable[[int, str, float], dict[str, Any]]
"""(Number of trials, folder, limit in seconds) -> figures."""


def ours(num_trials: int, folder: str, limit_s: float) -> dict[str, Any]:
    """Run a study of `num_trials` confirm trials; return its figures."""
    from ablative.orchestrator.deciding.queue import TrialQueue
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.display import QuietDisplay
    from ablative.orchestrator.storing.records import Record
    from ablative.orchestrator.storing.store import Store

    clock = Clock(num_trials)

    class Display(QuietDisplay):
        def finished(self, record: Record, queue: TrialQueue) -> None:
            clock.tick()

    experiment, executor = _many(num_trials, folder)
    store = Store.open(folder)
    summary = run_study(experiment, store, executor, Display())
    assert summary.ran == num_trials and not summary.num_failed
    store.compact("many")
    return {**clock.figures(), **_size(Path(folder), num_trials)}


def resumed(num_trials: int, folder: str, limit_s: float) -> dict[str, Any]:
    """Run a fully recorded study again; return how long that took and its memory."""
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.display import QuietDisplay
    from ablative.orchestrator.storing.store import Store
    from ablative.trainables.processes import resident_mb

    experiment, executor = _many(num_trials, folder)
    started = time.perf_counter()
    assert run_study(experiment, Store.open(folder), executor, QuietDisplay()).ran == 0
    return {"resume_s": round(time.perf_counter() - started, 2), "resume_mb": round(resident_mb())}


def _many(num_trials: int, folder: str) -> tuple[Any, Any]:
    from ablative.cluster.executor import RayExecutor
    from ablative.orchestrator.driving.run import Experiment
    from ablative.orchestrator.storing.records import Provenance
    from ablative.search_spaces.design import cells
    from ablative.search_spaces.study import Study
    from ablative.trainables.config import TrialConfig
    from ablative.trainables.config import canonical
    from ablative.trainables.simulated import SimulatedTrainable
    from simulated import simulated_inputs

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
    inputs = simulated_inputs()
    built = cells(study, TrialConfig, canonical)
    experiment = Experiment(study=study, cells=built, inputs=inputs, provenance=Provenance(host="many"))
    executor = RayExecutor(
        address="local", resources=study.resources, cache=Path(folder), run_trial=SimulatedTrainable()
    )
    return experiment, executor


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
        self._memory_mb: list[int] = []

    def tick(self) -> None:
        """Count an ended trial."""
        from ablative.trainables.processes import resident_mb

        if self.count % self._every == 0:
            self._marks.append(time.perf_counter())
        self.count += 1
        self._last = time.perf_counter()
        if self.count % self._every == 0:
            self._memory_mb.append(round(resident_mb()))

    def figures(self) -> dict[str, Any]:
        """Return trials a second, and this process's memory after each tenth of the trials."""
        tenths = [later - earlier for earlier, later in zip(self._marks, [*self._marks[1:], self._last], strict=True)]
        return {
            "trials": self.count,
            "per_s": round((self.count - 1) / (self._last - self._marks[0]), 2),
            "per_s_first_tenth": round(self._every / tenths[0], 2),
            "per_s_last_tenth": round(self._every / tenths[-1 if self.count % self._every == 0 else -2], 2),
            "driver_mb_by_tenth": self._memory_mb,
        }


def _size(folder: Path, num_trials: int) -> dict[str, Any]:
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"bytes_a_trial": round(sum(files) / num_trials), "files_a_trial": round(len(files) / num_trials, 3)}


def measured(side: Side, num_trials: int, folder: str, limit_s: float) -> dict[str, Any]:
    """Run one side in a process of its own, so that each starts alike."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        return apart.submit(side, num_trials, folder, limit_s).result()


def main() -> None:
    """Measure both sides at every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small numbers")
    parser.add_argument("--trials", type=int, nargs="*", help="numbers of trials, multiples of ten")
    parser.add_argument("--tune-limit", type=float, default=1800.0, help="seconds after which plain Tune is stopped")
    parser.add_argument("--ours-only", action="store_true", help="leave plain Tune out")
    options = parser.parse_args()
    sizes = options.trials or ([60, 200] if options.quick else [200, 1000, 10_000])
    found = []
    for size in sizes:
        row: dict[str, Any] = {"trials": size}
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            row["ours"] = measured(ours, size, folder, options.tune_limit)
            row["ours"] |= measured(resumed, size, folder, options.tune_limit)
        if not options.ours_only:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                row["plain_tune"] = measured(plain_tune, size, folder, options.tune_limit)
            row["ratio"] = round(row["ours"].get("per_s", 0.0) / row["plain_tune"].get("per_s", float("nan")), 2)
        print(json.dumps(row), flush=True)
        found.append(row)
    print(json.dumps({"benchmark": "many_trials", "rows": found}))


if __name__ == "__main__":
    main()
