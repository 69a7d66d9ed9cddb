"""Scores of examples, and the task's metrics from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.errors import NonFinite


def score(split: TaskSplit, probabilities: np.ndarray | Sequence[np.ndarray]) -> tuple[dict[str, float], np.ndarray]:
    """Return the task's metrics of `probabilities`, and each example's score in [0, 1], in the split's order.

    `probabilities` has one row an example, over classes or candidates; the highest wins, ties go to the first. An
    example's score is its target there. A blind split has only the count, and no score.

    Raises ValueError if there is not one row an example, NonFinite if a probability is not a number.
    """
    if len(probabilities) != len(split.examples):
        raise ValueError(
            f"{split.task.name} {split.split}: {len(probabilities)} rows for {len(split.examples)} examples"
        )
    if not split.labelled:
        return {"n": float(len(split.examples))}, np.full(len(split.examples), np.nan)
    scores = np.array([_score(example, row) for example, row in zip(split.examples, probabilities, strict=True)])
    return split.task.measure(split, list(probabilities), scores), scores


def _score(example: Example, row: np.ndarray) -> float:
    if np.isnan(row).any():
        raise NonFinite(f"example {example.id}: a probability is not a number")
    return dict(example.targets).get(int(np.argmax(row)), 0.0)


def by_slice(split: TaskSplit, scores: np.ndarray) -> dict[str, list[float]]:
    """Return all scores under the empty name, and those of each slice under its own."""
    parts: dict[str, list[float]] = defaultdict(list)
    parts[""] = [float(value) for value in scores]
    for example, value in zip(split.examples, scores, strict=True):
        for name in example.slices:
            parts[name].append(float(value))
    return parts


def summary(parts: Mapping[str, list[float]]) -> dict[str, float]:
    """Return `accuracy` and `n`, and `accuracy_<part>` and `n_<part>` for each part, from each one's scores."""
    metrics: dict[str, float] = {}
    for name in sorted(parts):
        ending = f"_{name}" if name else ""
        if parts[name]:
            metrics[f"accuracy{ending}"] = float(np.mean(parts[name]))
        metrics[f"n{ending}"] = float(len(parts[name]))
    return metrics
