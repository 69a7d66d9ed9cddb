"""Whether the trials of a cell have learned anything: whether they beat always predicting the most frequent class."""

from __future__ import annotations

import math
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TypeVar

from ablative.orchestrator.reached import mean_of
from ablative.trainables.job import MAJORITY
from ablative.trainables.job import MOST_SAID

ONE_CLASS = "predicts one class"
NOT_ABOVE = "not better than the majority class"
SIGN = "∅"
"""Marks cells in tables that have learned nothing."""

Trial = TypeVar("Trial", bound=Hashable)


def majority_name(metric: str) -> str:
    """Return the name of the majority class's value of a metric: `test/majority_accuracy`."""
    split, _, name = metric.partition("/")
    return f"{split}/{MAJORITY}{name}"


def telling(metrics: Iterable[str]) -> tuple[str, ...]:
    """Return the metrics by which `lack` judges, given those to look at (`split/name`)."""
    split_of = {metric: metric.partition("/")[0] for metric in dict.fromkeys(metrics)}
    found = (name for m, split in split_of.items() for name in (m, majority_name(m), f"{split}/{MOST_SAID}"))
    return tuple(dict.fromkeys(found))


def is_result(metric: str) -> bool:
    """Return whether a metric is a trial's result: neither of its training nor the majority class's."""
    split, _, name = metric.partition("/")
    return split != "train" and name != MOST_SAID and not name.startswith(MAJORITY)


def lack(values: Mapping[str, Mapping[Trial, float]], metrics: Sequence[str], mode: str) -> str:
    """Return why the completed trials of one cell have learned nothing; empty if they have, or if unknown.

    `values`: metric -> trial -> value; `metrics`: those looked at (`split/name`), whose good direction is `mode`. On
    one of these splits each trial predicts a single class, or the trials' mean is no better than the majority's.
    Records from before the majority was measured say nothing.
    """
    sign = 1.0 if mode == "max" else -1.0
    for metric in dict.fromkeys(metrics):
        reached, said = values.get(metric, {}), values.get(f"{metric.partition('/')[0]}/{MOST_SAID}", {})
        if reached and all(said.get(trial, 0.0) == 1.0 for trial in reached):
            return ONE_CLASS
        majority = values.get(majority_name(metric), {})
        pairs = [(reached[trial], majority[trial]) for trial in reached if trial in majority]
        if pairs and sign * math.fsum(value for value, _ in pairs) <= sign * math.fsum(least for _, least in pairs):
            return NOT_ABOVE
    return ""


def majority_mean(values: Mapping[str, Mapping[Trial, float]], metric: str) -> float | None:
    """Return the mean over a cell's trials of the majority class's value; None if unknown."""
    return mean_of(values.get(majority_name(metric), {}).values())
