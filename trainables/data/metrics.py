"""Official metrics of the three tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.vcr import ANSWER
from ablative.trainables.data.vcr import RATIONALE
from ablative.trainables.errors import NonFinite

_ANSWER_TYPE_NAMES = {"yes/no": "yes_no"}
_VCR_MODES = {ANSWER: "q_a", RATIONALE: "qa_r"}

METRICS = (
    "accuracy",
    *(f"accuracy_{part}" for part in (*_VCR_MODES.values(), "yes_no", "number", "other")),
    *(f"accuracy_{part}" for part in ("seen", "heldout_known", "heldout_unknown")),
)
"""What a study may aim at: accuracy and the parts that tasks and the bundled benchmark have."""


def score(split: TaskSplit, probabilities: np.ndarray | Sequence[np.ndarray]) -> tuple[dict[str, float], np.ndarray]:
    """Return the official metrics of `probabilities`, and each example's score in [0, 1], in the split's order.

    `probabilities` has one row an example, over classes or candidates; the highest wins, ties go to the first.
    The metrics are `accuracy`, `accuracy_<part>` for every part, and the counts `n`, `n_<part>`:

    - SNLI-VE: accuracy; parts are the slices.
    - VQA: the official accuracy, which is the soft target of the predicted class; parts are the answer types too.
    - VCR: Q->AR, the share of annotations with both answer and rationale right (not the product of the two
      rates), for all and for each slice; `accuracy_q_a` and `accuracy_qa_r` are the two modes.

    A blind split has the count alone, and no score.

    Raises ValueError if there is not one row an example, NonFinite if a probability is not a number.
    """
    if len(probabilities) != len(split.examples):
        raise ValueError(f"{split.task} {split.split}: {len(probabilities)} rows for {len(split.examples)} examples")
    if not split.labelled:
        return {"n": float(len(split.examples))}, np.full(len(split.examples), np.nan)
    scores = np.array([_score(example, row) for example, row in zip(split.examples, probabilities, strict=True)])
    parts = _vcr_parts(split, scores) if split.task == "vcr" else _parts(split, scores)
    return _summary(parts), scores


def _score(example: Example, row: np.ndarray) -> float:
    if np.isnan(row).any():
        raise NonFinite(f"example {example.id}: a probability is not a number")
    return dict(example.targets).get(int(np.argmax(row)), 0.0)


def _parts(split: TaskSplit, scores: np.ndarray) -> dict[str, list[float]]:
    parts: dict[str, list[float]] = defaultdict(list)
    parts[""] = [float(value) for value in scores]
    for example, value in zip(split.examples, scores, strict=True):
        names = list(example.slices)
        if split.task == "vqa":
            names.append(_ANSWER_TYPE_NAMES.get(example.stratum, example.stratum))
        for name in names:
            parts[name].append(float(value))
    return parts


def _vcr_parts(split: TaskSplit, scores: np.ndarray) -> dict[str, list[float]]:
    """Return Q->AR under "" and for each slice, and the two modes."""
    parts: dict[str, list[float]] = defaultdict(list)
    both: dict[str, float] = {}
    slices: dict[str, tuple[str, ...]] = {}
    for example, value in zip(split.examples, scores, strict=True):
        parts[_VCR_MODES[example.stratum]].append(float(value))
        both[example.group] = both.get(example.group, 1.0) * float(value)
        slices[example.group] = example.slices
    parts[""] = list(both.values())
    for group, value in both.items():
        for name in slices[group]:
            parts[name].append(value)
    return parts


def _summary(parts: dict[str, list[float]]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for name in sorted(parts):
        ending = f"_{name}" if name else ""
        if parts[name]:
            metrics[f"accuracy{ending}"] = float(np.mean(parts[name]))
        metrics[f"n{ending}"] = float(len(parts[name]))
    return metrics
