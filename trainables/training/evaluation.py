"""A student on a split: probabilities, metrics, predictions."""

from __future__ import annotations

import numpy as np
import torch

from ablative.progress import Progress
from ablative.progress import silent
from ablative.trainables.config import OptimConfig
from ablative.trainables.course import Evaluation
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.metrics import score
from ablative.trainables.data.submission import written
from ablative.trainables.job import Prediction
from ablative.trainables.students.heads import probabilities
from ablative.trainables.students.student import StudentModule
from ablative.trainables.training.devices import loaded
from ablative.trainables.training.devices import precision
from ablative.trainables.training.inputs import SplitInputs

EVALUATION_BATCH = 256
"""Sequences that pass through the student together."""


@torch.inference_mode()
def predict(
    student: StudentModule,
    inputs: SplitInputs,
    device: torch.device,
    optim: OptimConfig,
    *,
    sequences: int = EVALUATION_BATCH,
    progress: Progress = silent,
) -> np.ndarray:
    """(N, K) probabilities over classes, or candidates, in the trial's precision; the mode is left unchanged."""
    mode = student.training
    student.eval()
    rows, places = [], []
    size, done = max(1, sequences // inputs.num_candidates), 0
    for batch in loaded(inputs.batch, inputs.in_order_of_length(size), device):
        with precision(optim.precision, device):
            logits = student(batch.inputs).logits
        head, logits = inputs.split.task.head, logits.float()
        rows.append(probabilities(head, logits, inputs.num_candidates, inputs.ranked_by).cpu())
        places.append(batch.indices)
        progress("predictions", done := done + len(batch.indices), len(inputs))
    student.train(mode)
    return torch.cat(rows).numpy()[np.argsort(np.concatenate(places))]


def evaluate(student: StudentModule, inputs: SplitInputs, device: torch.device, optim: OptimConfig) -> Evaluation:
    """Metrics under plain names (`accuracy`, ...), and one prediction an example."""
    return evaluated(inputs.split, predict(student, inputs, device, optim))


def evaluated(split: TaskSplit, probabilities_NK: np.ndarray) -> Evaluation:
    """The result of `evaluate`, from the probabilities of `predict`. Raises NonFinite."""
    metrics, scores = score(split, probabilities_NK)
    said = _said(split, probabilities_NK)
    predictions = tuple(
        Prediction(
            split=split.split,
            example_id=e.id,
            prediction=prediction,
            score=float(value),
            row_id="" if e.group == e.id else e.group,
            cluster=split.task.cluster(e),
        )
        for e, prediction, value in zip(split.examples, said, scores, strict=True)
    )
    return Evaluation(metrics=metrics, predictions=predictions)


def _said(split: TaskSplit, probabilities_NK: np.ndarray) -> list[str]:
    """Return the best class or candidate of each example; for a blind split's candidates, all probabilities."""
    if not split.labelled and not split.classes:
        return [written(row) for row in probabilities_NK]
    names = split.classes or tuple(str(i) for i in range(probabilities_NK.shape[1]))
    return [names[k] for k in probabilities_NK.argmax(axis=1)]
