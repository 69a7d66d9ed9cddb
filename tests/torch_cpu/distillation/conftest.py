"""Random batches of student states and teacher features, in float64, with ragged sentences."""

from __future__ import annotations

import pytest
import torch

from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherTargets

STUDENT_WIDTH = 6
TEACHER_WIDTH = 5


@pytest.fixture
def make_student():
    def make(seed: int = 0, batch: int = 4, words: int = 7) -> StudentOutputs:
        draw = torch.Generator().manual_seed(1000 + seed)

        def states(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, STUDENT_WIDTH, dtype=torch.float64, generator=draw).requires_grad_()

        return StudentOutputs(
            h_cls=states(batch),
            h_image=states(batch),
            h_words=states(batch, words),
            logits_BK=torch.randn(batch, 3, dtype=torch.float64, generator=draw).requires_grad_(),
            truth_BK=torch.rand(batch, 3, dtype=torch.float64, generator=draw),
        )

    return make


@pytest.fixture
def make_targets():
    def make(lengths: tuple[int, ...] = (7, 3, 1, 5), seed: int = 0, requires_grad: bool = False) -> TeacherTargets:
        draw = torch.Generator().manual_seed(seed)
        batch, words = len(lengths), max(lengths)

        def values(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, dtype=torch.float64, generator=draw).requires_grad_(requires_grad)

        def features(*shape: int) -> torch.Tensor:
            return values(*shape, TEACHER_WIDTH)

        mask_BN = torch.arange(words) < torch.tensor(lengths).unsqueeze(-1)
        confidence_B = torch.rand(batch, dtype=torch.float64, generator=draw) * 0.9 + 0.05
        return TeacherTargets(
            indices_B=torch.arange(batch),
            image_BT=features(batch),
            text_BT=features(batch),
            logit_scale=4.0,
            words_BNT=features(batch, words),
            prior_BN=values(batch, words),
            visual_BN=values(batch, words),
            word_mask_BN=mask_BN,
            probabilities_BK=features(batch)[:, :3].softmax(-1),
            confidence_B=confidence_B.requires_grad_(requires_grad),
            cross_entropy_B=-confidence_B.detach().log() * 1.3,
            correct_B=confidence_B.detach() > 0.5,
        )

    return make
