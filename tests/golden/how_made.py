"""Makes the golden files of this folder: `python -m tests.golden.how_made`.

`trial_ids.json` may only change together with IDENTITY_VERSION. `record_v<N>.parquet` and `predictions_v<N>.parquet`
are made once a version and kept for ever: run this after raising RECORD_VERSION, and it adds files beside the old.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablative.orchestrator.storing.records import PREDICTION_SCHEMA
from ablative.orchestrator.storing.records import RECORD_VERSION
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import record_table
from ablative.orchestrator.trials import trial_ids
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.job import Prediction
from ablative.trainables.kinds.clip_td import CLIP_TD
from ablative.trainables.parts.trainable import Digests
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

FOLDER = Path(__file__).parent
IDS = FOLDER / "trial_ids.json"

DIGESTS = Digests(data="data-digest", teacher="teacher-digest")
CONFIGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "low_shot": {"task": {"name": "vqa", "data_fraction": 0.05}, "optim": {"lr": 1e-4}},
    "naive": {"distillation": {"terms": {"image": 1.0, "text": 1.0}}},
    "clip_td": {"distillation": {"terms": {"image": 1.0, "text": 1.0, "tokens": 1.0}, "selection": {"ratio": 0.5}}},
    "shuffled": {"teacher": {"control": "shuffled"}, "distillation": {"terms": {"tokens": 0.5}}},
}


def ids() -> dict[str, str]:
    """Return name -> trial id of `CONFIGS` with seed 3, evaluated on val and test."""
    return {
        name: trial_ids(CLIP_TD, canonical(TrialConfig.model_validate(config)), (3,), ("val", "test"), DIGESTS, {})[0]
        for name, config in CONFIGS.items()
    }


def records() -> list[Record]:
    """Return the records of a simulated cell: search and confirm."""
    study = make_study(arms={"listed": {"plain": {}}}, conditions={"task.data_fraction": [0.05]})
    return run_all(make_queue(study))


def predictions(records: list[Record]) -> pa.Table:
    """Return four predictions of each confirm trial: two rows of two examples, and two pictures."""
    said = [
        Prediction(
            split="test",
            example_id=f"{number}",
            prediction="yes",
            score=float(number % 2),
            row_id=f"row{number // 2}",
            cluster=f"{number // 2}.png",
        )
        for number in range(4)
    ]
    rows = [
        {"trial_id": record.trial_id, **asdict(one)} for record in records if record.phase == "confirm" for one in said
    ]
    return pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)


def main() -> None:
    """Write the ids, and what this version records, if there is nothing of it yet."""
    IDS.write_text(json.dumps(ids(), indent=2) + "\n")
    made = records()
    for name, table in (("record", record_table(made)), ("predictions", predictions(made))):
        path = FOLDER / f"{name}_v{RECORD_VERSION}.parquet"
        if not path.exists():
            pq.write_table(table, path, compression="zstd")


if __name__ == "__main__":
    main()
