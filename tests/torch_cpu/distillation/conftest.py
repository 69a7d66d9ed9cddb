"""Random batches of student states and teacher features, in float64, with ragged sentences."""

from __future__ import annotations

import pytest
import torch

from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs

STUDENT_WIDTH = 6
TEACHER_WIDTH = 5


@pytest.fixture
def make_student():
    def make(seed: int = 0, batch: int = 4, words: int = 7) -> StudentOutputs:
        draw = torch.Generator().manual_seed(1000 + seed)

        def states(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, STUDENT_WIDTH, dtype=torch.float64, generator=draw).requires_grad_()

        return StudentOutputs(
            cls=states(batch),
            image=states(batch),
            words=states(batch, words),
            logits=torch.randn(batch, 3, dtype=torch.float64, generator=draw).requires_grad_(),
            truth=torch.rand(batch, 3, dtype=torch.float64, generator=draw),
        )

    return make


@pytest.fixture
def make_targets():
    def make(lengths: tuple[int, ...] = (7, 3, 1, 5), seed: int = 0, requires_grad: bool = False) -> TeacherOutputs:
        draw = torch.Generator().manual_seed(seed)
        batch, words = len(lengths), max(lengths)

        def values(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, dtype=torch.float64, generator=draw).requires_grad_(requires_grad)

        def features(*shape: int) -> torch.Tensor:
            return values(*shape, TEACHER_WIDTH)

        mask_BN = torch.arange(words) < torch.tensor(lengths).unsqueeze(-1)
        confidence_B = torch.rand(batch, dtype=torch.float64, generator=draw) * 0.9 + 0.05
        return TeacherOutputs(
            index=torch.arange(batch),
            image=features(batch),
            text=features(batch),
            scale=4.0,
            words=features(batch, words),
            prior=values(batch, words),
            visual=values(batch, words),
            word_mask=mask_BN,
            probabilities=features(batch)[:, :3].softmax(-1),
            confidence=confidence_B.requires_grad_(requires_grad),
            cross_entropy=-confidence_B.detach().log() * 1.3,
            correct=confidence_B.detach() > 0.5,
        )

    return make
