from __future__ import annotations

import math

import pytest
import torch

from ablative.trainables.distillation.confidence import truth_cross_entropy
from ablative.trainables.distillation.confidence import truth_is_best
from ablative.trainables.distillation.confidence import truth_probability


def probabilities(seed: int = 0) -> torch.Tensor:
    return torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).softmax(-1)


def test_one_class_targets_give_the_probability_of_that_class_and_its_negative_log():
    p_BK, labels_B = probabilities(), torch.tensor([0, 4, 2, 2, 1, 3])
    targets_BK = torch.nn.functional.one_hot(labels_B, 5).double()
    expected = [p_BK[b, label].item() for b, label in enumerate(labels_B)]
    assert truth_probability(p_BK, targets_BK).tolist() == pytest.approx(expected)
    assert truth_cross_entropy(p_BK, targets_BK).tolist() == pytest.approx([-math.log(p) for p in expected])
    assert truth_is_best(p_BK, targets_BK).tolist() == (p_BK.argmax(-1) == labels_B).tolist()


def test_soft_targets_give_arithmetic_and_geometric_means_weighted_by_the_targets():
    p_BK = probabilities()[:1]
    targets_BK = torch.tensor([[0.0, 0.9, 0.0, 0.3, 0.0]], dtype=torch.float64)
    p1, p3 = p_BK[0, 1].item(), p_BK[0, 3].item()
    assert truth_probability(p_BK, targets_BK).item() == pytest.approx(0.75 * p1 + 0.25 * p3)
    assert truth_cross_entropy(p_BK, targets_BK).neg().exp().item() == pytest.approx(p1**0.75 * p3**0.25)


def test_an_example_without_a_target_has_no_confidence_and_is_never_right():
    p_BK, targets_BK = probabilities(), torch.zeros(6, 5, dtype=torch.float64)
    assert not truth_probability(p_BK, targets_BK).any()
    assert truth_cross_entropy(p_BK, targets_BK).neg().exp().max() < 1e-7
    assert not truth_is_best(p_BK, targets_BK).any()


def test_only_an_answer_with_the_greatest_target_counts_as_right():
    p_BK = torch.tensor([[0.6, 0.3, 0.1]] * 3)
    targets_BK = torch.tensor([[0.3, 1.0, 0.0], [1.0, 0.3, 0.0], [1.0, 1.0, 0.0]])
    assert truth_is_best(p_BK, targets_BK).tolist() == [False, True, True]


def test_cross_entropy_is_finite_where_the_truth_has_probability_zero():
    p_BK, targets_BK = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert torch.isfinite(truth_cross_entropy(p_BK, targets_BK)).all()
