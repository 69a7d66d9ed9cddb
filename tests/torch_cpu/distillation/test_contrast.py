from __future__ import annotations

import math
from dataclasses import replace

import torch

from ablative.trainables.config import AdaptationConfig
from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import TermWeights
from ablative.trainables.config import WeightingConfig
from ablative.trainables.distillation.contrast import SCALE
from ablative.trainables.distillation.contrast import StudentContrast
from ablative.trainables.distillation.contrast import alike
from ablative.trainables.distillation.contrast import info_nce
from ablative.trainables.distillation.objective import Objective

TASK_LOSS = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
ADAPTING = DistillationConfig(
    terms=TermWeights(image=1.0),
    weighting=WeightingConfig(confidence="none"),
    adaptation=AdaptationConfig(of="student", share=0.25),
)


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a @ b) / (a.norm() * b.norm())


def plain_info_nce(queries, keys, scale, hidden) -> list[torch.Tensor]:
    """The formula of docs/method.md, query by query and key by key."""
    losses = []
    for i, query in enumerate(queries):
        shown = [k for k in range(len(keys)) if not hidden[i][k]]
        total = sum(torch.exp(scale * cosine(query, keys[k])) for k in shown)
        losses.append(-torch.log(torch.exp(scale * cosine(query, keys[i])) / total))
    return losses


def random(*shape: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=draw).requires_grad_()


def test_info_nce_equals_its_formula_in_value_and_gradient_with_wrong_keys_and_hidden_ones():
    queries, keys = random(4, 5, seed=0), random(7, 5, seed=1)
    hidden = torch.zeros(4, 7, dtype=torch.bool)
    hidden[0, 2] = hidden[3, 1] = hidden[1, 6] = True
    found = info_nce(queries, keys, 3.0, hidden)
    expected = torch.stack(plain_info_nce(queries, keys, 3.0, hidden.tolist()))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    for mine, plain in zip(
        torch.autograd.grad(found.sum(), (queries, keys)),
        torch.autograd.grad(expected.sum(), (queries, keys)),
        strict=True,
    ):
        torch.testing.assert_close(mine, plain, atol=1e-6, rtol=1e-5)


def test_one_pair_alone_has_nothing_to_be_told_from():
    alone = info_nce(random(1, 5, seed=0), random(1, 5, seed=1), 3.0, torch.zeros(1, 1, dtype=torch.bool))
    assert alone.tolist() == [0.0]


def test_rows_are_alike_where_two_examples_share_a_picture():
    rows = random(3, 5, seed=0).detach()
    rows[2] = 2 * rows[0]
    assert alike(rows).nonzero().tolist() == [[0, 2], [2, 0]]


def test_the_students_contrast_sets_each_state_against_the_other_modality_over_matched_rows(
    make_student, make_targets
):
    student, targets = make_student(), make_targets()
    image_BT = targets.image.clone()
    image_BT[1] = image_BT[0]  # two examples of one picture
    targets = replace(targets, image=image_BT)
    matched = torch.tensor([True, False, True, True])
    contrast = StudentContrast(6, 5, seed=3).double()
    none = [[False] * 4 for _ in range(4)]
    same_picture = [list(row) for row in none]
    same_picture[0][1] = same_picture[1][0] = True
    contradicted_shown = [list(row) for row in none]
    contradicted_shown[1][0] = True  # sentence 0 is true of picture 1; sentence 1 is not true of picture 0
    to_texts = plain_info_nce(contrast.image(student.image), targets.text, SCALE, contradicted_shown)
    to_images = plain_info_nce(contrast.text(student.cls), targets.image, SCALE, same_picture)
    expected = sum((to_texts[i] + to_images[i]) / 2 for i in (0, 2, 3)) / 3
    torch.testing.assert_close(contrast(student, targets, matched), expected, atol=1e-5, rtol=1e-5)


def test_a_batch_without_matched_rows_has_no_contrast(make_student, make_targets):
    value = StudentContrast(6, 5, seed=3).double()(make_student(), make_targets(), torch.zeros(4, dtype=torch.bool))
    assert value.item() == 0


def test_the_adapting_stage_has_no_task_loss_and_the_rest_of_the_trial_has_no_contrast(make_student, make_targets):
    objective = Objective(ADAPTING, student_width=6, teachers=[(5, 1.0)], num_examples=4, seed=3).double()
    plain = Objective(
        ADAPTING.model_copy(update={"adaptation": AdaptationConfig()}),
        student_width=6,
        teachers=[(5, 1.0)],
        num_examples=4,
        seed=3,
    ).double()
    student, targets = make_student(), make_targets()
    first, _ = objective(TASK_LOSS, student, [targets], progress=0.2)
    later, _ = objective(TASK_LOSS, student, [targets], progress=0.25)
    without, _ = plain(TASK_LOSS, student, [targets], progress=0.25)
    contrast = objective.teachers[0].contrast(student, targets, torch.ones(4, dtype=torch.bool))
    torch.testing.assert_close(first, contrast + without - TASK_LOSS)
    torch.testing.assert_close(later, without)
    assert torch.autograd.grad(first, TASK_LOSS)[0].item() == 0
    assert math.isfinite(first.item())


def test_without_an_adapting_stage_there_are_no_further_parameters():
    plain = DistillationConfig(terms=TermWeights(image=1.0))
    names = [name for name, _ in Objective(plain, 6, [(5, 1.0)], num_examples=4, seed=0).named_parameters()]
    assert names == ["of_each.0.projections.image.weight", "of_each.0.projections.image.bias"]
