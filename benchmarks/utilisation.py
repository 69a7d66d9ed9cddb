"""How busy the slots are in a study of 8 cells with unequal trials, beside the same study run cell after cell.

    python benchmarks/utilisation.py              # some four minutes on two cores
    python benchmarks/utilisation.py --quick      # a minute

Trials sleep: 0.5 s with a tenth of the data to 1.6 s with all of it. Utilisation is the sum of the trials' lengths
over slots times the time from the first trial's start to the last one's end; 1 cannot be reached where the last trials
are not equally long. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from ablative.cluster.executor import RayExecutor
from ablative.cluster.session import connect
from ablative.orchestrator.driving.run import Experiment
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.records import Provenance
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.design import Cell
from ablative.search_spaces.design import cells
from ablative.search_spaces.study import Study
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.simulated import SimulatedTrainable
from simulated import simulated_inputs

SLOTS = 2
FRACTIONS = (0.1, 0.3, 0.6, 1.0)
QUICK_FRACTIONS = (0.1, 1.0)
"""Each run of a cell alone starts workers of its own, which takes longer than its trials."""


def study(quick: bool) -> Study:
    """Return the study: two arms under four fractions, or two."""
    return Study.model_validate(
        {
            "study": "utilisation",
            "question": "Are the slots busy?",
            "base": {},
            "arms": {"listed": {"plain": {}, "distilled": {"distillation.terms.image": 1.0}}},
            "conditions": {"task.data_fraction": list(QUICK_FRACTIONS if quick else FRACTIONS)},
            "search": {
                "trials": 3 if quick else 6,
                "batch": 3,
                "space": {"optim.lr": {"loguniform": [1e-5, 1e-2]}},
            },
            "seeds": {"search": [0], "confirm": [1, 2, 3] if quick else [1, 2, 3, 4, 5, 6]},
            "resources": {"max_concurrent": SLOTS},
        }
    )


def run(of: Study, some: tuple[Cell, ...], uri: str) -> list[Record]:
    """Run these cells; return the records."""
    inputs = simulated_inputs()
    experiment = Experiment(study=of, cells=some, inputs=inputs, provenance=Provenance(host="utilisation"))
    run_trial = SimulatedTrainable(seconds=1.6, sleeps=True)
    executor = RayExecutor(address="local", resources=of.resources, cache=Path(uri), run_trial=run_trial)
    store = Store.open(uri)
    summary = run_study(experiment, store, executor, QuietDisplay())
    assert summary.ran and not summary.num_failed
    return store.records(of.study)


def utilisation(records: list[Record]) -> tuple[float, float]:
    """Return (busy slot-seconds, seconds from the first start to the last end)."""
    start = min(record.started_at for record in records)
    end = max(record.finished_at for record in records)
    return sum(record.seconds for record in records), (end - start).total_seconds()


def main() -> None:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller study")
    of = study(parser.parse_args().quick)
    every = cells(of, TrialConfig, canonical)
    with connect("local", num_cpus=SLOTS), tempfile.TemporaryDirectory() as folder:
        busy, span = utilisation(run(of, every, f"{folder}/together"))
        one_by_one = [utilisation(run(of, (cell,), f"{folder}/{n}")) for n, cell in enumerate(every)]
    apart = sum(span for _, span in one_by_one)
    figures: dict[str, Any] = {
        "benchmark": "utilisation",
        "cells": len(every),
        "slots": SLOTS,
        "together": round(busy / (SLOTS * span), 4),
        "cell_after_cell": round(sum(busy for busy, _ in one_by_one) / (SLOTS * apart), 4),
        "seconds_together": round(span, 1),
        "seconds_cell_after_cell_without_starts": round(apart, 1),
        "ratio": round(apart / span, 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
