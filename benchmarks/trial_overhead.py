"""What a short trial costs beyond its work: ours in warm worker groups, beside what Ray and Optuna offer.

    python benchmarks/trial_overhead.py              # 64 trials a side, some six minutes on two cores
    python benchmarks/trial_overhead.py --quick      # 16 trials a side, two of plain Train, two minutes

A trial reports three times and ends. Sides: ours with one worker and with two workers (gloo) a trial; plain Ray Tune
whose trials start a TorchTrainer of their own (`--train-trials` of them, as each takes many seconds); plain Ray Tune
with reused actors; Optuna's ask and tell in one process. The first trial, start-up included, is told apart from the
further ones. One slot each. The last line is one JSON object.
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

REPORTS = 3


def ours(workers: int, num_trials: int, folder: str) -> list[float]:
    """Return when each trial of a study had ended, in seconds from the start."""
    from ablative.cluster.executor import RayExecutor
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
    from ablative.trainables.simulated import SimulatedTrainable
    from simulated import simulated_inputs

    started, ended = time.perf_counter(), []

    class Display(QuietDisplay):
        def finished(self, record: Record, queue: TrialQueue) -> None:
            assert record.completed, record.error
            ended.append(time.perf_counter() - started)

    study = Study.model_validate(
        {
            "study": "overhead",
            "question": "What does a trial cost?",
            "base": {"optim": {"evaluations": REPORTS}},
            "seeds": {"search": [0], "confirm": list(range(1, num_trials + 1))},
            "resources": {"max_concurrent": 1, "workers": workers},
        }
    )
    inputs = simulated_inputs()
    built = cells(study, TrialConfig, canonical)
    experiment = Experiment(study=study, cells=built, inputs=inputs, provenance=Provenance(host="overhead"))
    executor = RayExecutor(
        address="local", resources=study.resources, cache=Path(folder), run_trial=SimulatedTrainable()
    )
    run_study(experiment, Store.open(folder), executor, Display())
    return ended


def ours_one_worker(num_trials: int, folder: str) -> list[float]:
    """Ours, one worker a trial."""
    return ours(1, num_trials, folder)


def ours_two_workers(num_trials: int, folder: str) -> list[float]:
    """Ours, two workers a trial."""
    return ours(2, num_trials, folder)


def _tuned(trainable: Any, num_trials: int, folder: str, **options: Any) -> list[float]:
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    import ray
    from ray import tune

    started, ended = time.perf_counter(), []

    class Ticking(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ended.append(time.perf_counter() - started)

    ray.init(address="local", log_to_driver=False, logging_level="ERROR", num_cpus=4, include_dashboard=True)
    tuner = tune.Tuner(
        trainable,
        param_space={"x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(num_samples=num_trials, max_concurrent_trials=1, **options),
        run_config=tune.RunConfig(
            storage_path=folder,
            name="plain",
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[Ticking()],
        ),
    )
    results = tuner.fit()
    assert not results.errors, results.errors
    ray.shutdown()
    return ended


def tune_reused_actors(num_trials: int, folder: str) -> list[float]:
    """Plain Ray Tune, `reuse_actors=True`."""
    from ray import tune

    class Reporting(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.count = 0

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.count = 0
            return True

        def step(self) -> dict[str, Any]:
            self.count += 1
            return {"accuracy": 0.1 * self.count, "done": self.count == REPORTS}

    return _tuned(Reporting, num_trials, folder, reuse_actors=True)


def tune_with_train(num_trials: int, folder: str) -> list[float]:
    """Plain Ray Tune, each trial with a TorchTrainer of its own, one worker."""

    def loop(config: dict[str, Any]) -> None:
        import ray.train

        for number in range(REPORTS):
            ray.train.report({"accuracy": 0.1 * number})

    def trainable(config: dict[str, Any]) -> None:
        import ray.train
        from ray.train.torch import TorchTrainer

        TorchTrainer(
            loop,
            scaling_config=ray.train.ScalingConfig(num_workers=1),
            run_config=ray.train.RunConfig(storage_path=folder, name=f"train-{config['x']}"),
        ).fit()

    return _tuned(trainable, num_trials, folder)


def optuna_alone(num_trials: int, folder: str) -> list[float]:
    """Optuna in one process, in memory."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    started, ended = time.perf_counter(), []
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(num_trials):
        trial = study.ask()
        x = trial.suggest_float("x", 0, 1)
        for number in range(REPORTS):
            trial.report(x, number)
        study.tell(trial, x)
        ended.append(time.perf_counter() - started)
    return ended


def measured(side: Callable[[int, str], list[float]], num_trials: int) -> dict[str, Any]:
    """Run one side in a process of its own; return its figures."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
            ended = apart.submit(side, num_trials, folder).result()
    further = (ended[-1] - ended[0]) / (len(ended) - 1)
    return {"trials": len(ended), "first_s": round(ended[0], 3), "further_s": round(further, 5)}


def main() -> None:
    """Measure every side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="16 trials a side")
    parser.add_argument("--train-trials", type=int, default=0, help="of Tune with Train; 4, or 2 with --quick")
    options = parser.parse_args()
    num_trials = 16 if options.quick else 64
    num_train = options.train_trials or (2 if options.quick else 4)
    rows: dict[str, dict[str, Any]] = {}
    for side in (ours_one_worker, ours_two_workers, tune_with_train, tune_reused_actors, optuna_alone):
        rows[side.__name__] = measured(side, num_train if side is tune_with_train else num_trials)
        print(side.__name__, json.dumps(rows[side.__name__]), flush=True)
    warm = rows["ours_one_worker"]["further_s"]
    ratios = {
        "first_to_further": round(rows["ours_one_worker"]["first_s"] / warm, 1),
        **{f"{name}_to_ours": round(row["further_s"] / warm, 3) for name, row in rows.items()},
    }
    print(json.dumps({"benchmark": "trial_overhead", "sides": rows, "ratios": ratios}))


if __name__ == "__main__":
    main()
