"""Files for leaderboards that keep the labels of a test secret. Imports no torch.

A blind split has no labels: a trial that evaluates it records predictions and no metric.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence

from ablative.trainables.errors import UnreadableData
from ablative.trainables.parts.task import Task


def submission(task: Task, predictions: Mapping[str, str]) -> str:
    """Return the content of a leaderboard's file.

    `predictions`: example id -> the prediction that `evaluate` recorded on a blind split. Raises `UnreadableData` if
    the task has no such leaderboard, or a prediction is missing or malformed.
    """
    require_leaderboard(task)
    assert task.submission is not None
    return task.submission(predictions)


def require_leaderboard(task: Task) -> None:
    """Raise `UnreadableData` if no file for a leaderboard can be written."""
    if task.submission is None:
        raise UnreadableData(f"submission: {task.name} has no blind test, because its labels are public.")


def written(probabilities: Sequence[float]) -> str:
    """Return the recorded form of a blind split's probabilities over candidates."""
    return json.dumps([round(float(value), 6) for value in probabilities])
