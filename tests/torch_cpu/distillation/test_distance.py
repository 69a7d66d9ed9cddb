from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.trainables.config import DistillationConfig
from ablative.trainables.distillation.distance import DISTANCES
from ablative.trainables.distillation.distance import unit_length


def plain_distance(name: str, student: list[float], teacher: list[float]) -> float:
    """The formulas of docs/method.md, coordinate by coordinate."""
    width = len(student)
    student_length = math.sqrt(sum(x * x for x in student))
    teacher_length = math.sqrt(sum(x * x for x in teacher))
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        s, t = s / student_length, t / teacher_length
        delta = abs(math.sqrt(width) * (s - t))
        if name == "cosine":
            total += 1 / width - s * t
        elif name == "mse":
            total += delta**2 / width
        elif name == "l1":
            total += delta / width
        else:
            total += (delta**2 / 2 if delta < 1 else delta - 0.5) / width
    return total


def vectors(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slopes(name: str, student: list[float], teacher: list[float], step: float = 1e-6) -> list[float]:
    """Central differences of the plain distance."""
    answer = []
    for i in range(len(student)):
        up, down = list(student), list(student)
        up[i] += step
        down[i] -= step
        answer.append((plain_distance(name, up, teacher) - plain_distance(name, down, teacher)) / (2 * step))
    return answer


def test_every_distance_of_the_configuration_is_in_the_table():
    assert set(DISTANCES) == set(get_args(DistillationConfig.model_fields["distance"].annotation))


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("width", [2, 3, 9])
def test_value_and_gradient_equal_the_formula_computed_coordinate_by_coordinate(name, width):
    student = vectors(4, width, seed=1).requires_grad_()
    teacher = vectors(4, width, seed=2)
    distances = DISTANCES[name](student, teacher)
    distances.sum().backward()
    for b in range(4):
        row, target = student[b].tolist(), teacher[b].tolist()
        assert distances[b].item() == pytest.approx(plain_distance(name, row, target), abs=1e-7)
        assert student.grad[b].tolist() == pytest.approx(slopes(name, row, target), abs=1e-5)


@pytest.mark.parametrize("name", DISTANCES)
def test_lengths_of_both_sides_do_not_matter(name):
    student, teacher = vectors(3, 8, seed=3), vectors(3, 8, seed=4)
    stretched = DISTANCES[name](student * 50, teacher * 0.2)
    torch.testing.assert_close(stretched, DISTANCES[name](student, teacher), atol=1e-6, rtol=1e-6)


@settings(max_examples=40)
@given(width=st.integers(2, 600), seed=st.integers(0, 10_000), mix=st.floats(-1, 1))
def test_distances_keep_their_documented_relations_at_every_width(width, seed, mix):
    teacher = vectors(width, seed=seed)
    student = mix * teacher + (1 - abs(mix)) * vectors(width, seed=seed + 1) + 1e-2 * vectors(width, seed=seed + 2)
    value = {name: distance(student, teacher).item() for name, distance in DISTANCES.items()}
    assert -1e-6 <= value["cosine"] <= 2 + 1e-6
    assert value["mse"] == pytest.approx(2 * value["cosine"], abs=1e-5)
    assert value["l1"] ** 2 <= value["mse"] + 1e-6
    assert value["smooth_l1"] <= min(value["l1"], value["cosine"]) + 1e-6


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_of_random_directions_do_not_shrink_with_the_width(name):
    narrow, wide = (DISTANCES[name](vectors(500, d, seed=5), vectors(500, d, seed=6)).mean() for d in (64, 1024))
    assert wide.item() == pytest.approx(narrow.item(), rel=0.03)
    assert wide.item() > 0.5


@pytest.mark.parametrize("name", DISTANCES)
def test_gradients_are_finite_at_zero_vectors_and_at_equal_vectors(name):
    teacher = vectors(3, 8, seed=7)
    teacher[1] = 0
    student = torch.stack([torch.zeros(8, dtype=torch.float64), torch.zeros(8, dtype=torch.float64), teacher[2]])
    student.requires_grad_()
    DISTANCES[name](student, teacher).sum().backward()
    assert torch.isfinite(student.grad).all()


def test_half_precision_features_are_measured_in_float32():
    features = vectors(5, 32, seed=8).to(torch.bfloat16)
    assert unit_length(features).dtype == torch.float32
    assert DISTANCES["cosine"](features, features).abs().max() < 1e-6
