"""The bar for having learned anything: always predicting the most frequent class of training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ablative.trainables.course import Evaluation
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.stored import StoredExamples
from ablative.trainables.job import MAJORITY
from ablative.trainables.job import MOST_SAID
from ablative.trainables.parts.named import Names


def majority_class(train: TaskSplit) -> int:
    """Return the class, or the index among the candidates, with the greatest sum of targets; ties go to the first."""
    places, scores = _targets(train.examples)
    return int(np.bincount(places, weights=scores).argmax()) if len(places) else 0


def majority_metrics(split: TaskSplit, place: int) -> dict[str, float]:
    """Return `majority_<name>` for each metric that a study may target: the score of always predicting `place`.

    Nothing for a blind split, or one without examples.
    """
    if not split.labelled or not split.examples:
        return {}
    rows = {count: _sure_of(place, count) for count in {_num_outputs(split, example) for example in split.examples}}
    scores = np.array([dict(example.targets).get(place, 0.0) for example in split.examples])
    found = split.task.measure(split, [rows[_num_outputs(split, example)] for example in split.examples], scores)
    return {f"{MAJORITY}{name}": float(value) for name, value in found.items() if name in Names(split.task.metrics)}


def beside_the_majority(found: Evaluation, split: TaskSplit, place: int) -> Evaluation:
    """Return the results on a split, with the majority's metrics and the share of the most frequent prediction."""
    if not split.labelled or not split.examples:
        return found
    said = Counter(one.prediction for one in found.predictions)
    most = {MOST_SAID: max(said.values()) / said.total()} if said else {}
    metrics = {**found.metrics, **majority_metrics(split, place), **most}
    return Evaluation(metrics=metrics, predictions=found.predictions)


def _targets(examples: Sequence[Example]) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(examples, StoredExamples):
        return examples.targets()
    pairs = [target for example in examples for target in example.targets]
    return np.array([place for place, _ in pairs], dtype=np.int64), np.array([score for _, score in pairs])


def _num_outputs(split: TaskSplit, example: Example) -> int:
    return len(split.classes) or len(example.candidates)


def _sure_of(place: int, count: int) -> np.ndarray:
    return np.eye(1, count, place)[0]
