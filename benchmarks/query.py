"""Queries to a large store: the effects of one study, and a mean over all trials; beside other tools.

    python benchmarks/query.py                 # 1,000,000 records, 20,000,000 curve points; minutes to write, 2.5 GB
    python benchmarks/query.py --quick         # 20,000 records; the others 1,000 trials, about a minute
    python benchmarks/query.py --store FOLDER  # written there if it is not yet, and kept

Each side answers in a process of its own, on two cores, and reloads the store for each answer. The figure is the best
of five times (of those that fit into a minute), without imports. Its CPU seconds and the process's peak memory stand
beside it.
`effects` and `grouped` are of the large store; pandas reads the same Parquet files. `one_study` is the mean of a
metric by arm over one study of 10,000 trials: ours, pandas, MLflow's `search_runs` and Optuna's `trials_dataframe`,
both over SQLite. There one trial is written through the library and the others are copies of its rows. The last line
is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from large_store import METRIC_NAMES
from large_store import TRIALS
from large_store import fill
from large_store import study_name
from rival_stores import mlflow_runs
from rival_stores import optuna_trials

TIMES, LIMIT_S = 5, 60.0
METRIC = "test/accuracy"
BY_ARM = f'select arm, avg("{METRIC}") as mean from trials where counts group by arm order by arm'
GROUPED = f'select arm, data_fraction, phase, count(*), avg("{METRIC}") from trials where counts group by all'
GOALS = {"effects_s": 0.5, "grouped_s": 1.0, "memory_mb": 2000, "times_faster_than_mlflow_and_optuna": 20}


def ours_effects(place: str) -> int:
    """Return the number of effects of one study."""
    from ablative import analysis

    return int(analysis.load(place, study_name(0)).effects.num_rows)


def ours_grouped(place: str) -> int:
    """Return the number of groups over all trials."""
    from ablative import analysis

    return int(analysis.load(place).arrow(GROUPED).num_rows)


def ours_one(place: str) -> int:
    """Return the number of arms of one study."""
    from ablative import analysis

    return int(analysis.load(place, study_name(0)).arrow(BY_ARM).num_rows)


def pandas_grouped(place: str) -> int:
    """Return the same number of groups from the same files."""
    import pandas

    columns = ["arm", "data_fraction", "phase", "counts", METRIC]
    frames = [
        pandas.read_parquet(path, columns=columns) for path in sorted(Path(place).glob("studies/*/flat/*.parquet"))
    ]
    trials = pandas.concat(frames)
    return len(trials[trials["counts"]].groupby(["arm", "data_fraction", "phase"])[METRIC].agg(["size", "mean"]))


def pandas_one(place: str) -> int:
    """Return the number of arms of one study."""
    import pandas

    path = Path(place, "studies", study_name(0), "flat", "trials.parquet")
    return len(pandas.read_parquet(path, columns=["arm", METRIC]).groupby("arm")[METRIC].mean())


def mlflow_one(place: str) -> int:
    """Return the number of arms among MLflow's runs."""
    import mlflow

    mlflow.set_tracking_uri(place)
    runs = mlflow.search_runs(experiment_names=["study"], max_results=TRIALS)
    return len(runs.groupby("tags.arm")[f"metrics.{METRIC}"].mean())


def optuna_one(place: str) -> int:
    """Return the number of arms among Optuna's trials."""
    import optuna

    trials = optuna.load_study(study_name="study", storage=place).trials_dataframe()
    return len(trials.groupby("user_attrs_arm")[f"user_attrs_{METRIC}"].mean())


def timed(answer: Callable[[str], int], place: str) -> dict[str, Any]:
    """Return the best time of an answer in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        return apart.submit(_answer, answer, place).result()


def _answer(answer: Callable[[str], int], place: str) -> dict[str, Any]:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    times: list[tuple[float, float]] = []
    began = time.perf_counter()
    while len(times) < 2 or (len(times) <= TIMES and time.perf_counter() - began < LIMIT_S):
        wall, used = time.perf_counter(), time.process_time()
        rows = answer(place)
        times.append((time.perf_counter() - wall, time.process_time() - used))
    best, cpu = min(times[1:])  # the first one imports
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"s": round(best, 4), "cpu_s": round(cpu, 4), "rows": rows, "peak_mb": round(memory)}


def measured(store: str, num_rival: int, folder: str) -> dict[str, Any]:
    """Send every query to every tool."""
    figures: dict[str, Any] = {
        "records": len(list(Path(store, "studies").iterdir())) * TRIALS,
        "effects": {"ours": timed(ours_effects, store)},
        "grouped": {"ours": timed(ours_grouped, store), "pandas": timed(pandas_grouped, store)},
    }
    print(json.dumps(figures), flush=True)
    one = {"ours": timed(ours_one, store), "pandas": timed(pandas_one, store)}
    mlflow_uri = mlflow_runs(Path(folder, "mlflow.db"), num_rival, METRIC_NAMES)
    one["mlflow"] = timed(mlflow_one, mlflow_uri)
    optuna_uri = optuna_trials(Path(folder, "optuna.db"), num_rival, METRIC_NAMES)
    one["optuna"] = timed(optuna_one, optuna_uri)
    others = ("pandas", "mlflow", "optuna")
    ratios = {of: {name: round(one[name][of] / one["ours"][of], 1) for name in others} for of in ("s", "cpu_s")}
    trials = {"ours, pandas": TRIALS, "mlflow, optuna": num_rival}
    return {**figures, "one_study": {"trials": trials, **one, "times_ours": ratios}}


def main() -> None:
    """Write the stores and ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two studies, rivals of 1,000 trials")
    parser.add_argument("--store", help="folder of the large store [a temporary one]")
    options = parser.parse_args()
    num_studies, num_rival = (2, 1000) if options.quick else (100, TRIALS)
    with tempfile.TemporaryDirectory() as folder:
        store = options.store or str(Path(folder, "store"))
        if not Path(store).exists():
            from ablative.orchestrator.storing.store import Store

            started = time.perf_counter()
            fill(Store.open(store), num_studies)
            print(json.dumps({"written_s": round(time.perf_counter() - started)}), flush=True)
        figures = measured(store, num_rival, folder)
        size = sum(path.stat().st_size for path in Path(store).rglob("*") if path.is_file())
    print(json.dumps({"benchmark": "query", "goals": GOALS, "store_mb": round(size / 1e6), **figures}))


if __name__ == "__main__":
    main()
