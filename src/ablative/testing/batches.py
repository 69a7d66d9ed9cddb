"""Random batches of what a term compares, in float64, with ragged sentences; one has no word, and one no region.

Dimensions: B batch, N words and R regions (padded), S student width, T teacher width, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.parts.term import TermSizes

SIZES = TermSizes(student_width=6, teacher_width=5, num_examples=9)
LENGTHS = (7, 3, 0, 5)
"""Words of each example of a batch; one has none. Its regions are as many, those of another example."""


def made_student(seed: int = 0, lengths: Sequence[int] = LENGTHS) -> StudentOutputs:
    """Return random states of a batch, in float64, which a gradient can reach."""
    draw = torch.Generator().manual_seed(1000 + seed)

    def values(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=draw).requires_grad_()

    B, N, S = len(lengths), max(lengths), SIZES.student_width
    truth_BK = torch.rand(B, 3, dtype=torch.float64, generator=draw)
    return StudentOutputs(
        cls=values(B, S),
        image=values(B, S),
        words=values(B, N, S),
        logits=values(B, 3),
        truth=truth_BK,
        regions=values(B, N, S),
    )


def made_teacher(seed: int = 0, lengths: Sequence[int] = LENGTHS, *, requires_grad: bool = False) -> TeacherOutputs:
    """Return random features of a batch, in float64; embeddings have length 1."""
    draw = torch.Generator().manual_seed(seed)

    def values(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=draw)

    B, N, T = len(lengths), max(lengths), SIZES.teacher_width
    confidence_B = torch.rand(B, dtype=torch.float64, generator=draw) * 0.9 + 0.05
    features = {
        "image": torch.nn.functional.normalize(values(B, T), dim=-1),
        "text": torch.nn.functional.normalize(values(B, T), dim=-1),
        "words": torch.nn.functional.normalize(values(B, N, T), dim=-1),
        "prior": values(B, N),
        "visual": values(B, N).tanh(),
        "probabilities": values(B, 3).softmax(-1),
        "confidence": confidence_B,
        "cross_entropy": -confidence_B.log(),
        "regions": torch.nn.functional.normalize(values(B, N, T), dim=-1),
    }
    return TeacherOutputs(
        index=torch.arange(B),
        scale=4.0,
        word_mask=torch.arange(N) < torch.tensor(lengths).unsqueeze(-1),
        region_mask=torch.arange(N) < torch.tensor(lengths[::-1]).unsqueeze(-1),
        correct=confidence_B > 0.5,
        **{name: value.requires_grad_(requires_grad) for name, value in features.items()},
    )


def with_noise_at_padding(student: StudentOutputs, teacher: TeacherOutputs) -> tuple[StudentOutputs, TeacherOutputs]:
    """Return the batch with other values at all padded words and regions."""
    draw = torch.Generator().manual_seed(7)

    def noisy(values: Tensor, mask_BN: Tensor) -> Tensor:
        noise = torch.randn(values.shape, dtype=values.dtype, generator=draw)
        return values.where(mask_BN.reshape(*mask_BN.shape, *(1,) * (values.dim() - 2)), noise)

    masks = dict.fromkeys(("words", "prior", "visual"), teacher.word_mask) | {"regions": teacher.region_mask}
    given: dict[str, Any] = {name: noisy(getattr(teacher, name), mask_BN) for name, mask_BN in masks.items()}
    states: dict[str, Any] = {name: noisy(getattr(student, name), masks[name]) for name in ("words", "regions")}
    return replace(student, **states), replace(teacher, **given)


def wider(student: StudentOutputs, teacher: TeacherOutputs) -> tuple[StudentOutputs, TeacherOutputs]:
    """Return the batch with three more padded places for words and for regions."""

    def longer(values: Tensor) -> Tensor:
        return torch.cat([values, values.new_zeros(len(values), 3, *values.shape[2:])], dim=1)

    names = ("words", "prior", "visual", "word_mask", "regions", "region_mask")
    given: dict[str, Any] = {name: longer(getattr(teacher, name)) for name in names}
    states: dict[str, Any] = {name: longer(getattr(student, name)) for name in ("words", "regions")}
    return replace(student, **states), replace(teacher, **given)
