"""How sure the teacher is of the ground truth of each training example (docs/method.md, "Confidence").

CLIP has no head for these tasks. For candidates it is the softmax of logit_scale * cos(v, t(candidate)). For classes
it comes from a linear probe on [v, t, v * t, |v - t|], fitted on the low-shot subset alone. The probe is cross-fitted:
no example is judged by a probe that saw it, and all examples of one image share a fold. Classes that exclude each
other share a softmax. Where each class has a score of its own (VQA), each has a sigmoid, as in the student
(`teachers.answer_probe`).

Dimensions: N examples, C candidates, K classes, D joint width, F = 4 D probe features.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.distillation.confidence import truth_cross_entropy
from ablative.trainables.distillation.confidence import truth_is_best
from ablative.trainables.distillation.confidence import truth_probability
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.answer_probe import FOLDS
from ablative.trainables.teachers.answer_probe import ProbeData
from ablative.trainables.teachers.answer_probe import cross_fitted
from ablative.trainables.teachers.answer_probe import together
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.training.devices import current_device

FOLDS_SEED = 0
"""For probes with a sigmoid a class: every trial with the same subset gets the same confidence."""
PENALTY = 1e-3
"""L2 penalty on the probe's weights, per example."""
ITERATIONS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherConfidence:
    """The teacher's judgement of each example's ground truth; (N,) arrays."""

    probability: np.ndarray
    cross_entropy: np.ndarray
    """Nats."""
    correct: np.ndarray
    probabilities: np.ndarray
    """(N, K) for the classes or candidates; no columns if nobody reads them."""


def blocked_confidence(
    split: TaskSplit, features: TeacherFeatures, *, device: torch.device, probabilities_NK: np.ndarray | None = None
) -> TeacherConfidence:
    """Confidence for every example of `split`, for classes with a score each, without the arrays of all classes.

    `probabilities_NK`: a memory-mapped file to write them to, if anybody reads them.
    """
    images, texts = [e.image for e in split.examples], [teacher_text(e.candidates[0]) for e in split.examples]
    data = ProbeData.of(
        _distinct(images, features.image),
        _distinct(texts, features.text),
        [example.targets for example in split.examples],
        len(split.classes),
        device,
    )
    found = {name: np.zeros(len(images), dtype=np.float32) for name in ("probability", "cross_entropy")}
    correct = np.zeros(len(images), dtype=bool)
    for rows_B, probabilities_BK in cross_fitted(data, torch.from_numpy(_folds(images, FOLDS_SEED)).to(device)):
        targets_BK, rows = data.targets(rows_B), rows_B.cpu().numpy()
        found["probability"][rows] = truth_probability(probabilities_BK, targets_BK).cpu().numpy()
        found["cross_entropy"][rows] = truth_cross_entropy(probabilities_BK, targets_BK).cpu().numpy()
        correct[rows] = truth_is_best(probabilities_BK, targets_BK).cpu().numpy()
        if probabilities_NK is not None:
            probabilities_NK[rows] = probabilities_BK.cpu().numpy()
    nothing = np.zeros((len(images), 0), dtype=np.float32)
    return TeacherConfidence(
        **found, correct=correct, probabilities=nothing if probabilities_NK is None else probabilities_NK
    )


def _distinct(names: Sequence[str], embedded: Callable[[Sequence[str]], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of the distinct names, and the place of each name among them."""
    place = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return embedded(list(place)), np.array([place[name] for name in names])


def teacher_confidence(split: TaskSplit, features: TeacherFeatures, *, seed: int) -> TeacherConfidence:
    """Confidence for every example of `split`, on which the probe is fitted; the same for one seed.

    For classes with a score each, the seed has no effect.
    """
    if split.task.head == "independent":
        wanted_NK = np.zeros((len(split.examples), len(split.classes)), dtype=np.float32)
        return blocked_confidence(split, features, device=current_device(), probabilities_NK=wanted_NK)
    targets_NK = _targets_of(split)
    if split.task.head == "candidates":
        probabilities_NK = _over_candidates(split, features)
    else:
        probabilities_NK = _cross_fitted(split, features, targets_NK, seed)
    return TeacherConfidence(
        probability=truth_probability(probabilities_NK, targets_NK).numpy(),
        cross_entropy=truth_cross_entropy(probabilities_NK, targets_NK).numpy(),
        correct=truth_is_best(probabilities_NK, targets_NK).numpy(),
        probabilities=probabilities_NK.numpy(),
    )


def _targets_of(split: TaskSplit) -> torch.Tensor:
    """(N, K) soft targets of a split's examples."""
    num_classes = len(split.classes) or len(split.examples[0].candidates)
    targets_NK = torch.zeros(len(split.examples), num_classes)
    for row, example in enumerate(split.examples):
        for target, score in example.targets:
            targets_NK[row, target] = score
    return targets_NK


def _over_candidates(split: TaskSplit, features: TeacherFeatures) -> torch.Tensor:
    """(N, C) probabilities of the candidates, by their cosines with the picture."""
    images_ND = torch.from_numpy(features.image([e.image for e in split.examples])).float()
    texts = [teacher_text(candidate) for e in split.examples for candidate in e.candidates]
    texts_NCD = torch.from_numpy(features.text(texts)).float().view(len(split.examples), -1, images_ND.shape[1])
    cosines_NC = torch.einsum("nd,ncd->nc", images_ND, texts_NCD)
    return (features.logit_scale * cosines_NC).softmax(dim=-1)


def _cross_fitted(split: TaskSplit, features: TeacherFeatures, targets_NK: torch.Tensor, seed: int) -> torch.Tensor:
    """(N, K) probabilities from probes that did not see the example."""
    inputs_NF = _probe_features(split, features)
    folds_N = _folds([e.image for e in split.examples], seed)
    result_NK = torch.full_like(targets_NK, 1.0 / targets_NK.shape[1])
    for fold in range(FOLDS):
        inside = torch.from_numpy(folds_N == fold)
        if inside.any() and not inside.all():
            weights, bias = fit_probe(inputs_NF[~inside], targets_NK[~inside])
            result_NK[inside] = (inputs_NF[inside] @ weights + bias).softmax(dim=-1)
    return result_NK


def _probe_features(split: TaskSplit, features: TeacherFeatures) -> torch.Tensor:
    """(N, F) of pictures and texts together."""
    v = torch.from_numpy(features.image([e.image for e in split.examples])).float()
    t = torch.from_numpy(features.text([teacher_text(e.candidates[0]) for e in split.examples])).float()
    return together(v, t)


def _folds(images: list[str], seed: int) -> np.ndarray:
    names = sorted(set(images))
    order = np.random.default_rng([seed, len(names)]).permutation(len(names))
    fold_of = {name: int(place) % FOLDS for name, place in zip(names, order, strict=True)}
    return np.array([fold_of[image] for image in images])


def fit_probe(inputs_NF: torch.Tensor, targets_NK: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Multinomial regression on the shares of the targets, by L-BFGS from zero, without randomness."""
    sums_N1 = targets_NK.sum(dim=-1, keepdim=True)
    shares_NK = targets_NK / sums_N1.clamp_min(1e-6)
    weights = torch.zeros(inputs_NF.shape[1], targets_NK.shape[1], requires_grad=True)
    bias = torch.zeros(targets_NK.shape[1], requires_grad=True)
    solver = torch.optim.LBFGS([weights, bias], max_iter=ITERATIONS, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        surprise = -(shares_NK * (inputs_NF @ weights + bias).log_softmax(dim=-1)).sum(dim=-1).mean()
        value = surprise + PENALTY * weights.square().sum() / max(1, targets_NK.shape[1])
        value.backward()
        return value

    solver.step(loss)
    return weights.detach(), bias.detach()
