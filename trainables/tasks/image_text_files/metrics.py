"""Accuracy, and F1 of each class and their mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.metrics import by_slice
from ablative.trainables.data.metrics import summary
from ablative.trainables.data.pairs import label_of
from ablative.trainables.tasks.image_text_files.options import safe


def metric_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the metric of each class: `f1_` and its name in letters, digits and underscores; no two alike."""
    names: list[str] = []
    for label in classes:
        name, number = f"f1_{safe(label)}", 2
        while name in names:
            name, number = f"f1_{safe(label)}_{number}", number + 1
        names.append(name)
    return tuple(names)


def measure(split: TaskSplit, probabilities: Sequence[np.ndarray], scores: np.ndarray) -> dict[str, float]:
    """Return accuracy, also for each slice, F1 of each class, and `macro_f1`.

    F1 is 0 for a class that neither occurs nor is predicted; the mean leaves such a class out.
    """
    truth = np.array([label_of(example) for example in split.examples], dtype=np.int64)
    said = np.array([int(np.argmax(row)) for row in probabilities], dtype=np.int64)
    count = len(split.classes)
    right = np.bincount(truth[truth == said], minlength=count)
    there = np.bincount(truth, minlength=count) + np.bincount(said, minlength=count)
    f1 = np.where(there > 0, 2 * right / np.maximum(there, 1), 0.0)
    of_classes = dict(zip(metric_names(split.classes), map(float, f1), strict=True))
    macro = {"macro_f1": float(f1[there > 0].mean())} if truth.size else {}
    return summary(by_slice(split, scores)) | macro | of_classes
