"""How long it takes to plan studies of 1,000 to 100,000 trials: load, check, cells, trials with their identities.

    python benchmarks/planning.py              # a minute
    python benchmarks/planning.py --quick      # up to 10,000 trials, some seconds

Two shapes: ten confirm seeds a cell without a search, and eight search trials and two confirm seeds a cell. It is what
`ablate plan` does with an empty store. Linear means that the time a trial does not grow. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from ablative.orchestrator.commands.composition import load
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.deciding.recorded import Recorded
from simulated import simulated_inputs

TRIALS_A_CELL = 10
SHAPES = ("plain", "searched")


def study(num_trials: int, searched: bool) -> dict[str, Any]:
    """Return a study file's content with so many trials: ten arms under a number of conditions."""
    num_cells = num_trials // TRIALS_A_CELL
    arms = {f"arm{number}": {"optim.warmup_fraction": round(0.01 * number, 2)} for number in range(10)}
    content: dict[str, Any] = {
        "study": "planned",
        "question": "How long does planning take?",
        "base": {},
        "arms": {"listed": arms},
        "conditions": {"optim.weight_decay": [round(1e-4 * (i + 1), 6) for i in range(num_cells // 10)]},
        "seeds": {"search": [0], "confirm": list(range(1, 11))},
    }
    if searched:
        space = {"optim.lr": {"loguniform": [1e-5, 1e-2]}}
        content["search"] = {"trials": 8, "batch": 8, "space": space}
        content["seeds"]["confirm"] = [1, 2]
    return content


def planned(num_trials: int, searched: bool) -> dict[str, Any]:
    """Plan a study and return the seconds of each part."""
    inputs = simulated_inputs()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planned.yaml"
        path.write_text(yaml.safe_dump(study(num_trials, searched)))
        started = time.perf_counter()
        loaded = load(str(path))
        checked = time.perf_counter()
        queue = TrialQueue(loaded.study, loaded.cells, Recorded(), inputs)
        owed = queue.owed()
        ended = time.perf_counter()
    assert owed == num_trials, owed
    return {
        "trials": num_trials,
        "searched": searched,
        "seconds": round(ended - started, 3),
        "load_s": round(checked - started, 3),
        "queue_s": round(ended - checked, 3),
        "us_a_trial": round((ended - started) / num_trials * 1e6, 1),
    }


def main() -> None:
    """Plan studies of growing size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 10,000 trials")
    options = parser.parse_args()
    planned(100, True)  # imports and caches
    rows = []
    for searched in (False, True):
        for num_trials in (1_000, 10_000) if options.quick else (1_000, 10_000, 100_000):
            rows.append(planned(num_trials, searched))
            print(json.dumps(rows[-1]), flush=True)
    growth = {name: _growth([row for row in rows if row["searched"] == (name == "searched")]) for name in SHAPES}
    print(json.dumps({"benchmark": "planning", "rows": rows, "time_a_trial_largest_to_smallest": growth}))


def _growth(rows: list[dict[str, Any]]) -> float:
    return round(rows[-1]["us_a_trial"] / rows[0]["us_a_trial"], 2)


if __name__ == "__main__":
    main()
