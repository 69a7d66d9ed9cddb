"""A trained student's predictions on a split, without a trial: a row per example, and metrics if there are labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ablative.progress import Progress
from ablative.trainables.cache import written_whole
from ablative.trainables.course import Evaluation
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.data.load import prepare_folder
from ablative.trainables.data.splits import splits_of
from ablative.trainables.errors import MissingData
from ablative.trainables.prepare import alone
from ablative.trainables.students.kept import KeptStudent
from ablative.trainables.students.student import StudentModule
from ablative.trainables.training.devices import current_device
from ablative.trainables.training.evaluation import EVALUATION_BATCH
from ablative.trainables.training.evaluation import evaluated
from ablative.trainables.training.evaluation import predict
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.training.inputs import inputs_of
from ablative.trainables.vision.pixels import build_pixels
from ablative.trainables.vision.regions import build_regions

PER_TABLE = 10_000
"""Rows that are in memory as Arrow together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """A student's predictions on a split. N examples, K classes or candidates."""

    split: TaskSplit
    probabilities_NK: np.ndarray
    evaluation: Evaluation

    @property
    def names(self) -> tuple[str, ...]:
        """Return the K classes; the numbers of the candidates where there are no classes."""
        return self.split.classes or tuple(str(number) for number in range(self.probabilities_NK.shape[1]))

    @property
    def metrics(self) -> dict[str, float]:
        """Return `split/name` -> value, as a record has them; of a blind split the count alone."""
        return {f"{self.split.split}/{name}": float(value) for name, value in self.evaluation.metrics.items()}

    @property
    def recorded(self) -> dict[str, str]:
        """Return example id -> prediction as a record has it: what `submission` takes."""
        return {one.example_id: one.prediction for one in self.evaluation.predictions}


def predict_split(
    found: KeptStudent,
    student: StudentModule,
    data: str,
    split: str,
    cache: Path,
    progress: Progress,
    *,
    sequences: int = EVALUATION_BATCH,
) -> Predicted:
    """Return a student's predictions on a split of `data`, a folder of its task or a preset of the bundled benchmark.

    Computes the student's visual input if the cache does not have it. The classes are the student's, whatever the
    data's are. `sequences`: batch size.

    Raises:
        MissingData: no such split, or files are not there; or region features of another width than the student's.
        UnreadableData: rows or pictures cannot be read.
    """
    config = found.config
    task = config.task.part
    prepare_folder(task, data, cache, progress)
    if split not in (there := splits_of(task, data)):
        raise MissingData(f"{data}: {task.name} has no split {split!r} here; wanted one of {', '.join(there)}")
    read = load_split(task, data, split, cache, classes=found.classes or None)
    if not read.examples:
        raise MissingData(f"{data}: no example of {task.name} is in split {split!r}")
    with alone(cache, progress):
        build_regions(read, cache, progress)
        if config.student.part.reads_pixels(config.student):
            build_pixels(read, cache, progress)
    inputs = inputs_of(config, read, cache)
    _require_width(found, inputs, data)
    device = current_device()
    probabilities_NK = predict(
        student.to(device), inputs, device, config.optim, sequences=sequences, progress=progress
    )
    return Predicted(split=read, probabilities_NK=probabilities_NK, evaluation=evaluated(read, probabilities_NK))


def _require_width(found: KeptStudent, inputs: SplitInputs, data: str) -> None:
    settings = found.config.student
    reads_features = not settings.part.trunk and settings.visual_input != "patches"
    if reads_features and inputs.regions.width != found.region_width:
        raise MissingData(
            f"{data}: its region features are {inputs.regions.width} wide; the student was trained on features of "
            f"width {found.region_width}. Convert those of the same detector: ablate data prepare {data} --regions"
        )


def write_rows(found: Predicted, path: Path) -> None:
    """Write one row an example, whole or not at all, in the form that the ending names: .jsonl, .csv or .parquet.

    `id`, `prediction` (a class or the number of a candidate), `score` (the metric of this example; none where there
    are no labels), and the probability of each class or candidate: in JSON lines an object, else a column each.
    """
    with written_whole(path) as scratch:
        if path.suffix == ".jsonl":
            with scratch.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in _objects(found))
            return
        schema = _table(found, 0, 0).schema
        with (
            pa.csv.CSVWriter(scratch, schema) if path.suffix == ".csv" else pa.parquet.ParquetWriter(scratch, schema)
        ) as writer:
            for start in range(0, len(found.split.examples), PER_TABLE):
                writer.write_table(_table(found, start, start + PER_TABLE))


def _objects(found: Predicted) -> Iterator[dict[str, Any]]:
    best = found.probabilities_NK.argmax(axis=1)
    for one, place, row in zip(found.evaluation.predictions, best, found.probabilities_NK, strict=True):
        yield {
            "id": one.example_id,
            "prediction": found.names[place],
            "score": one.score if found.split.labelled else None,
            "probabilities": {name: float(str(value)) for name, value in zip(found.names, row, strict=True)},
        }


def _table(found: Predicted, start: int, stop: int) -> pa.Table:
    said, probabilities_NK = found.evaluation.predictions[start:stop], found.probabilities_NK[start:stop]
    columns = {
        "id": pa.array([one.example_id for one in said], pa.string()),
        "prediction": pa.array([found.names[place] for place in probabilities_NK.argmax(axis=1)], pa.string()),
        "score": pa.array([one.score if found.split.labelled else None for one in said], pa.float64()),
    }
    each = {f"probability_{name}": probabilities_NK[:, place] for place, name in enumerate(found.names)}
    return pa.table(columns | each)
