"""How much a teacher's frozen features say about a task, if a probe gets as much from them as the labels allow.

The probe reads the features that distillation uses, the image's v and the text's t, as [v, t, v * t, |v - t|]. Over
classes it is a multinomial regression; over candidates it has one set of weights for all of them. Cross-validation
within the labels chooses its L2 penalty: with a fixed penalty, few labels may score below the majority class.

Dimensions: N examples, C candidates, K classes, D width, F = 4 D inputs (D for one side alone).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.metrics import score
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.answer_probe import together
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.training.devices import current_device

Sides = Literal["both", "text", "image"]
SIDES: tuple[Sides, ...] = get_args(Sides)
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""L2 penalties on the weights, per example; cross-validation chooses one."""
FOLDS = 4
MOST_TO_CHOOSE_BY = 2000
"""Most labels that cross-validation reads, the first ones: with more, the penalty hardly matters."""
_ITERATIONS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """The scores of a probe."""

    metrics: Mapping[str, float]
    """The task's own metrics on the split asked about, by plain names."""
    penalty: float
    num_labelled: int

    @property
    def accuracy(self) -> float:
        """The first of the metrics."""
        return self.metrics["accuracy"]


def probe(train: TaskSplit, val: TaskSplit, features: TeacherFeatures, *, sides: Sides = "both") -> Probed:
    """Fit a probe on the examples of `train` and measure it on those of `val`, without randomness.

    `features` holds images and all candidates' texts of both splits. `majority`: accuracy of one candidate or class by
    chance or by frequency.
    """
    targets = _targets(train)
    inputs = _inputs(train, features, sides)
    few = slice(MOST_TO_CHOOSE_BY)
    penalty = _chosen(inputs[few], targets[few], [example.image for example in train.examples[few]])
    logits = _logits(_inputs(val, features, sides), _fit(inputs, targets, penalty))
    return Probed(
        metrics={name: float(value) for name, value in score(val, logits.softmax(dim=-1).cpu().numpy())[0].items()},
        penalty=penalty,
        num_labelled=len(train.examples),
    )


def majority(train: TaskSplit, val: TaskSplit) -> float:
    """Return the accuracy on `val` of the one answer that is best on all of `train`, whatever the question."""
    always = np.tile(_targets(train).mean(dim=0).cpu().numpy(), (len(val.examples), 1))
    return score(val, always)[0]["accuracy"]


def _targets(split: TaskSplit) -> Tensor:
    """(N, K or C) shares."""
    targets = torch.zeros(len(split.examples), len(split.classes) or len(split.examples[0].candidates))
    for row, example in enumerate(split.examples):
        for target, share in example.targets:
            targets[row, target] = share
    return (targets / targets.sum(dim=1, keepdim=True).clamp_min(1e-6)).to(current_device())


def _inputs(split: TaskSplit, features: TeacherFeatures, sides: Sides) -> Tensor:
    """(N, F) of the only candidate, or (N, C, F)."""
    images_ND = torch.from_numpy(features.image([example.image for example in split.examples])).float()
    texts = [text for example in split.examples for text in _texts(example)]
    texts_NCD = torch.from_numpy(features.text(texts)).float().view(len(images_ND), -1, images_ND.shape[1])
    images_NCD = images_ND[:, None].expand_as(texts_NCD)
    if sides == "both":
        found = together(images_NCD, texts_NCD)
    else:
        found = texts_NCD if sides == "text" else images_NCD
    return (found if split.task.head == "candidates" else found[:, 0]).to(current_device())


def _texts(example: Example) -> list[str]:
    return [teacher_text(candidate) for candidate in example.candidates]


@dataclass(frozen=True, slots=True)
class _Weights:
    weights: Tensor
    """(F, K), or (F,) of candidates."""
    bias: Tensor
    """(K,), or ()."""


def _logits(inputs: Tensor, fitted: _Weights) -> Tensor:
    return inputs @ fitted.weights + fitted.bias


def _fit(inputs: Tensor, targets: Tensor, penalty: float) -> _Weights:
    """By L-BFGS from zero."""
    shape = (targets.shape[1],) if inputs.dim() == 2 else ()
    weights = torch.zeros(inputs.shape[-1], *shape, requires_grad=True, device=inputs.device)
    bias = torch.zeros(shape, requires_grad=True, device=inputs.device)
    solver = torch.optim.LBFGS([weights, bias], max_iter=_ITERATIONS, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = _surprise(_logits(inputs, _Weights(weights, bias)), targets) + penalty * weights.square().sum()
        value.backward()
        return value

    solver.step(loss)
    return _Weights(weights.detach(), bias.detach())


def _surprise(logits: Tensor, targets: Tensor) -> Tensor:
    return -(targets * logits.log_softmax(dim=-1)).sum(dim=-1).mean()


def _chosen(inputs: Tensor, targets: Tensor, images: list[str]) -> float:
    """The penalty whose probes give held-out labels the highest probability; all examples of an image share a fold."""
    place = {image: number for number, image in enumerate(dict.fromkeys(images))}
    folds = torch.tensor([place[image] % FOLDS for image in images], device=inputs.device)
    if len(place) < FOLDS:
        return max(PENALTIES)

    def surprise(penalty: float) -> float:
        total = 0.0
        for fold in range(FOLDS):
            inside = folds == fold
            fitted = _fit(inputs[~inside], targets[~inside], penalty)
            total += float(_surprise(_logits(inputs[inside], fitted), targets[inside]) * inside.sum())
        return total

    return min(PENALTIES, key=surprise)
