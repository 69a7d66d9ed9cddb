"""Official metrics of the three tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainables.data.examples import Example
from trainables.data.examples import TaskSplit
from trainables.data.vcr import ANSWER
from trainables.data.vcr import RATIONALE

_ANSWER_TYPE_NAMES = {"yes/no": "yes_no"}
_VCR_MODES = {ANSWER: "q_a", RATIONALE: "qa_r"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Metrics of one split, and what each example contributed."""

    metrics: dict[str, float]
    """`accuracy` first; `accuracy_<part>` and the counts `n`, `n_<part>` for every part."""
    examples: np.ndarray
    """(N,) score of each example in [0, 1], in the split's order."""
    predictions: tuple[str, ...]
    """Class name, or number of the chosen candidate."""


def score(split: TaskSplit, probabilities: np.ndarray | Sequence[np.ndarray]) -> Scores:
    """Return the official scores of `probabilities`: one row an example, over classes or candidates.

    SNLI-VE: accuracy. VQA: the official accuracy, which is the soft target of the predicted class, for all
    questions and for each answer type. VCR: Q->AR, the share of annotations with both answer and rationale right
    (not the product of the two rates), and Q->A and QA->R. Ties go to the lower class. Raises ValueError if the
    number of rows is not the number of examples, or a probability is not a number.
    """
    if len(probabilities) != len(split.examples):
        raise ValueError(f"{split.task} {split.split}: {len(probabilities)} rows for {len(split.examples)} examples")
    chosen = [_choice(example, row) for example, row in zip(split.examples, probabilities, strict=True)]
    scores = np.array(
        [dict(example.targets).get(place, 0.0) for example, place in zip(split.examples, chosen, strict=True)]
    )
    parts = _vcr_parts(split, scores) if split.task == "vcr" else _parts(split, scores)
    return Scores(
        metrics=_summary(parts),
        examples=scores,
        predictions=tuple(split.classes[place] if split.classes else str(place) for place in chosen),
    )


def _choice(example: Example, row: np.ndarray) -> int:
    if np.isnan(row).any():
        raise ValueError(f"example {example.id}: a probability is not a number")
    return int(np.argmax(row))


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
