"""The probe with a sigmoid a class: its loss in blocks, its regularisation, and its scale, which is the student's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ablative.trainables.distillation.confidence import truth_probability
from ablative.trainables.teachers import answer_probe
from ablative.trainables.teachers.answer_probe import ProbeData
from ablative.trainables.teachers.answer_probe import best_strength
from ablative.trainables.teachers.answer_probe import cross_fitted
from ablative.trainables.teachers.answer_probe import fitted
from ablative.trainables.teachers.answer_probe import loss_of

WIDTH, IMAGES, TEXTS, CLASSES = 6, 40, 12, 5
CPU = torch.device("cpu")


def rows(rng: np.random.Generator, count: int) -> np.ndarray:
    found = rng.normal(size=(count, WIDTH))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float16)


def made(targets: Sequence[Sequence[tuple[int, float]]] | None = None, count: int = 200, seed: int = 0) -> ProbeData:
    """Each image has an answer that its embedding tells, unless targets are given."""
    rng = np.random.default_rng(seed)
    images, texts = rows(rng, IMAGES), rows(rng, TEXTS)
    image, text = rng.integers(IMAGES, size=count), rng.integers(TEXTS, size=count)
    if targets is None:
        best = (images @ rows(rng, CLASSES).T).argmax(1)
        targets = [((int(best[i]), 1.0), (int(best[i] + 1) % CLASSES, 0.3)) for i in image]
    return ProbeData.of((images, image), (texts, text), targets, CLASSES, CPU)


def folds(data: ProbeData) -> torch.Tensor:
    return data.image_N % answer_probe.FOLDS


def noise(count: int = 200) -> list[list[tuple[int, float]]]:
    return [[(int(k), 1.0)] for k in np.random.default_rng(5).integers(CLASSES, size=count)]


def all_of(data: ProbeData) -> torch.Tensor:
    return torch.arange(len(data.image_N))


def dense_loss(data: ProbeData, weights: torch.Tensor, bias: torch.Tensor, strength: float) -> torch.Tensor:
    odds = data.features(all_of(data)) @ weights + bias
    entropy = F.binary_cross_entropy_with_logits(odds, data.targets(all_of(data)), reduction="sum")
    return (entropy + strength / 2 * weights.square().sum()) / len(odds)


def test_targets_are_those_of_the_examples_whatever_rows_are_asked_for() -> None:
    targets = [[(1, 0.3), (4, 1.0)], [], [(0, 0.9)], [(2, 0.6)]]
    data = made(targets, count=4)
    wanted = torch.tensor([[0.0, 0, 0.6, 0, 0], [0, 0.3, 0, 0, 1], [0, 0, 0, 0, 0]])
    torch.testing.assert_close(data.targets(torch.tensor([3, 0, 1])), wanted)


@pytest.mark.parametrize("block", [7, 4096])
def test_loss_and_gradients_in_blocks_are_those_of_the_formula(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_probe, "BLOCK", block)
    data, draw = made(), torch.Generator().manual_seed(0)
    weights = torch.randn(4 * WIDTH, CLASSES, generator=draw).requires_grad_()
    bias = torch.randn(CLASSES, generator=draw).requires_grad_()
    expected = dense_loss(data, weights, bias, 3.0)
    slopes = torch.autograd.grad(expected, (weights, bias))

    found = answer_probe._loss_with_slopes(data, all_of(data), 3.0, weights, bias)
    torch.testing.assert_close(found, expected.detach())
    for mine, wanted in zip((weights.grad, bias.grad), slopes, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-6)


def test_a_fitted_probe_is_where_the_loss_is_least() -> None:
    data = made()
    found = fitted(data, all_of(data), 1.0, 200)
    weights, bias = found.weights_FK.requires_grad_(), found.bias_K.requires_grad_()
    slopes = torch.autograd.grad(dense_loss(data, weights, bias, 1.0), (weights, bias))
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-4


def test_no_more_than_a_block_of_classes_and_features_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_probe, "BLOCK", 16)
    data, asked = made(), list[int]()
    for name in ("features", "targets"):
        real = getattr(ProbeData, name)
        monkeypatch.setattr(ProbeData, name, lambda self, of, real=real: (asked.append(len(of)), real(self, of))[1])
    found = [part for of, part in cross_fitted(data, folds(data))]
    assert max(asked) == 16
    assert max(map(len, found)) == 16
    assert sum(map(len, found)) == len(data.image_N)


def test_two_right_answers_are_both_as_sure_as_a_student_can_be_of_them() -> None:
    """A softmax, which they had to share, stops at one half each; the student has a sigmoid for each."""
    data = made([[(0, 1.0), (1, 1.0)]] * 200)
    for of, probabilities in cross_fitted(data, folds(data)):
        assert truth_probability(probabilities, data.targets(of)).min() > 0.9


def test_what_nothing_tells_is_held_at_the_rate_of_each_answer() -> None:
    data = made(noise())
    rates = data.targets(all_of(data)).mean(0)
    for _, probabilities in cross_fitted(data, folds(data)):
        assert float((probabilities - rates).abs().mean()) < 0.06


def test_the_strength_follows_from_what_carries_over_to_other_images() -> None:
    chosen = []
    for data in (made(), made(noise())):
        of = folds(data)
        chosen.append(best_strength(data, all_of(data)[of > 1], all_of(data)[of == 1]))
    learnable, noisy = chosen
    assert learnable < noisy
    assert noisy >= 10.0


def test_a_chosen_strength_judges_other_images_better_than_hardly_any() -> None:
    data = made(noise())
    seen, others = all_of(data)[folds(data) > 0], all_of(data)[folds(data) == 0]
    strength = best_strength(data, seen[folds(data)[seen] > 1], seen[folds(data)[seen] == 1])
    chosen, loose = (loss_of(data, fitted(data, seen, value, 40), others) for value in (strength, 1e-3))
    assert chosen < loose


def test_a_single_fold_is_judged_without_having_been_seen() -> None:
    data = made(count=3)
    found = [part for _, part in cross_fitted(data, torch.zeros(3, dtype=torch.long))]
    assert torch.equal(torch.cat(found), torch.full((3, CLASSES), 1 / CLASSES))
