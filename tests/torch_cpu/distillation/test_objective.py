from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from ablative.trainables.config import AdaptationConfig
from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import SelectionConfig
from ablative.trainables.config import TermWeights
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import WeightingConfig
from ablative.trainables.config import canonical
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.distillation.weighting import task_weights

ALL_TERMS = TermWeights(image=0.5, text=0.25, tokens=2.0)
STUDENT_B = torch.tensor([0.5, 0.02, 0.9, 0.3], dtype=torch.float64)
TASK_LOSS = torch.tensor(0.7, dtype=torch.float64)


def objective_of(terms: TermWeights = ALL_TERMS, seed: int = 0, **options) -> Objective:
    return Objective(DistillationConfig(terms=terms, **options), 6, [(5, 1.0)], num_examples=4, seed=seed).double()


def plain_cosine_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return 1 - (a @ b) / a.norm() / b.norm()


def plain_objective(objective: Objective, student, targets, *, factor: float) -> torch.Tensor:
    """Task loss plus all three terms with the weights of ALL_TERMS, all words, W1 without normalisation."""
    total = TASK_LOSS.clone()
    project = objective.teachers[0].projections
    for b, mask in enumerate(targets.word_mask.tolist()):
        image = plain_cosine_distance(project["image"](student.image[b]), targets.image[b])
        text = plain_cosine_distance(project["text"](student.cls[b]), targets.text[b])
        tokens = torch.zeros((), dtype=torch.float64)
        for i in range(sum(mask)):
            word = plain_cosine_distance(project["tokens"](student.words[b, i]), targets.words[b, i])
            tokens = tokens + word / sum(mask)
        example = 0.5 * image + 0.25 * text + 2.0 * tokens
        total = total + factor * targets.confidence[b] * example / len(targets.confidence)
    return total


def flat(targets):
    """With the prior of the score `all`."""
    return replace(targets, prior=torch.zeros_like(targets.prior))


def test_value_and_gradients_equal_the_formula_computed_word_by_word(make_student, make_targets):
    weighting = WeightingConfig(confidence="teacher", normalise=False, schedule="linear")
    objective = objective_of(selection=SelectionConfig(score="all"), weighting=weighting)
    student, targets = make_student(), flat(make_targets())
    leaves = [student.cls, student.image, student.words, *objective.parameters()]
    total, _ = objective(TASK_LOSS, student, [targets], progress=0.25)
    expected = plain_objective(objective, student, targets, factor=0.75)
    torch.testing.assert_close(total, expected, atol=1e-6, rtol=1e-6)
    for found, wanted in zip(torch.autograd.grad(total, leaves), torch.autograd.grad(expected, leaves), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_one_factor_multiplies_the_weight_of_every_term(factor, make_student, make_targets):
    once, times = (objective_of(weighting=WeightingConfig(factor=value)) for value in (1.0, factor))
    student, targets = make_student(), make_targets()
    plain, plain_means = once(TASK_LOSS, student, [targets], progress=0.5, student_confidence_B=STUDENT_B)
    found, means = times(TASK_LOSS, student, [targets], progress=0.5, student_confidence_B=STUDENT_B)
    torch.testing.assert_close(found - TASK_LOSS, factor * (plain - TASK_LOSS))
    assert means == plain_means


def test_no_terms_leave_the_task_loss_and_need_no_teacher(make_student):
    objective = objective_of(TermWeights())
    total, means = objective(TASK_LOSS, make_student(), [], progress=0.5)
    assert total is TASK_LOSS
    assert means == {}
    assert not objective.distils
    assert list(objective.parameters()) == []


def test_terms_without_teacher_targets_are_refused_by_name(make_student):
    with pytest.raises(ValueError, match=r"distillation: terms\.image, terms\.tokens"):
        objective_of(TermWeights(image=1, tokens=1))(TASK_LOSS, make_student(), [], progress=0.0)


def test_reported_means_are_unweighted_and_detached(make_student, make_targets):
    weighting = WeightingConfig(confidence="none", schedule="warmup")
    total, means = objective_of(weighting=weighting)(TASK_LOSS, make_student(), [make_targets()], progress=0.0)
    assert total.item() == TASK_LOSS.item()
    assert list(means) == ["image", "text", "tokens"]
    assert all(0 < value.item() < 2 and not value.requires_grad for value in means.values())


def test_kdar_weighs_the_task_loss_example_by_example_without_any_term(make_student, make_targets):
    losses_B = torch.tensor([0.7, 0.1, 2.0, 1.0], dtype=torch.float64)
    objective, targets = objective_of(TermWeights(), weighting=WeightingConfig(task="kdar")), make_targets()
    assert objective.distils
    found = objective(losses_B, make_student(), [targets], progress=0.5, student_confidence_B=STUDENT_B)
    torch.testing.assert_close(
        found[0], (task_weights(WeightingConfig(task="kdar"), targets, STUDENT_B) * losses_B).mean()
    )
    assert found[1] == {}
    with pytest.raises(ValueError, match=r"distillation: weighting\.task"):
        objective(losses_B, make_student(), [], progress=0.5, student_confidence_B=STUDENT_B)


def test_total_is_linear_in_each_weight(make_student, make_targets):
    def added(**weights: float) -> float:
        objective = objective_of(TermWeights(**weights), weighting=WeightingConfig(confidence="none"))
        return objective(TASK_LOSS, make_student(), [make_targets()], progress=0.0)[0].item() - TASK_LOSS.item()

    assert added(image=3.0) == pytest.approx(3 * added(image=1.0))
    apart = added(image=1.0) + added(text=2.0) + added(tokens=0.5)
    assert added(image=1.0, text=2.0, tokens=0.5) == pytest.approx(apart)


def test_teacher_features_and_student_confidence_receive_no_gradient(make_student, make_targets):
    student, targets = make_student(), make_targets(requires_grad=True)
    confidence_B = STUDENT_B.clone().requires_grad_()
    total, _ = objective_of()(TASK_LOSS, student, [targets], progress=0.0, student_confidence_B=confidence_B)
    total.backward()
    frozen = (targets.image, targets.text, targets.words, targets.prior, targets.confidence)
    assert all(feature.grad is None for feature in (*frozen, confidence_B))
    assert all(states.grad.abs().sum() > 0 for states in (student.cls, student.image, student.words))


def test_only_selected_words_receive_a_gradient(make_student, make_targets):
    student, targets = make_student(), make_targets()
    objective = objective_of(TermWeights(tokens=1.0), selection=SelectionConfig(ratio=0.01))
    objective(TASK_LOSS, student, [targets], progress=0.0, student_confidence_B=STUDENT_B)[0].backward()
    assert (student.words.grad.abs().sum(-1) > 0).sum(-1).tolist() == [1, 1, 1, 1]


def test_sentences_without_words_add_nothing_and_break_nothing(make_student, make_targets):
    student, targets = make_student(), make_targets(lengths=(7, 0, 0, 5))
    objective = objective_of(TermWeights(tokens=1.0), weighting=WeightingConfig(confidence="none"))
    total, _ = objective(TASK_LOSS, student, [targets], progress=0.0)
    total.backward()
    assert math.isfinite(total.item())
    assert not student.words.grad[1:3].any()


def test_the_objective_holds_projections_only_one_a_term():
    shapes = {name: tuple(weight.shape) for name, weight in objective_of().state_dict().items()}
    expected = {}
    for name in ("image", "text", "tokens"):
        expected |= {
            f"of_each.0.projections.{name}.{part}": shape for part, shape in (("weight", (5, 6)), ("bias", (5,)))
        }
    assert shapes == expected


def test_every_term_has_a_weight_and_the_group_of_its_name_where_it_has_options():
    parts = DistillationConfig.parts
    assert list(parts) == list(TermWeights.model_fields)
    assert [name for name, part in parts.items() if part.options] == list(DistillationConfig.model_fields)[7:]


def test_building_and_calling_leave_the_global_random_state_alone(make_student, make_targets):
    student, targets = make_student(), make_targets()
    before = torch.get_rng_state()
    objective = objective_of(selection=SelectionConfig(draw="sampled"))
    objective(TASK_LOSS, student, [targets], progress=0.0, student_confidence_B=STUDENT_B)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_term_starts_from_the_same_projection_whatever_other_terms_are_on():
    alone = objective_of(TermWeights(tokens=1.0)).teachers[0].projections["tokens"].weight
    together = objective_of().teachers[0].projections["tokens"].weight
    other_seed = objective_of(seed=1).teachers[0].projections["tokens"].weight
    assert torch.equal(alone, together)
    assert not torch.equal(alone, other_seed)


def test_each_term_starts_from_a_projection_of_its_own():
    weights = [projection.weight for projection in objective_of().teachers[0].projections.values()]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


def test_one_shared_projection_serves_image_sentence_and_words():
    shared, separate = (objective_of(projection=value).teachers[0].projections for value in ("shared", "separate"))
    assert shared["image"] is shared["text"] is shared["tokens"]
    assert len({id(module) for module in separate.values()}) == 3
    assert sum(weight.numel() for weight in objective_of(projection="shared").parameters()) == 5 * 6 + 5


def test_the_two_sides_of_a_rival_and_of_an_adapting_student_share_it_too():
    adapting = AdaptationConfig(of="student")
    (one,) = objective_of(TermWeights(hint=1, dime=1, crd=1), projection="shared", adaptation=adapting).teachers
    (shared,) = {one.projections["hint"].image, one.projections["hint"].text, one.projections["dime"]}
    assert one.contrast.image is one.contrast.text is shared
    assert one.projections["crd"].student is not shared  # it compares in a space of its own


def test_a_shared_projection_keeps_the_teachers_joint_space(make_student, make_targets):
    """States that are equal are so in the teacher's space, whichever term looks at them."""
    student, targets = make_student(), make_targets()
    (one,) = objective_of(projection="shared").teachers
    (other,) = objective_of().teachers
    images, texts = (one.projections[name](student.image) for name in ("image", "text"))
    assert torch.equal(images, texts)
    assert not torch.allclose(*(other.projections[name](student.image) for name in ("image", "text")))
    assert images.shape == targets.image.shape


def test_a_shared_projection_has_no_effect_on_what_shares_none():
    for terms, matters in (
        ({"logits": 1.0}, False),
        ({"image": 1.0}, True),
        ({"crd": 1.0}, False),
        ({"dime": 1.0}, True),
    ):
        plain, shared = (
            canonical(TrialConfig.model_validate({"distillation": {"terms": terms, "projection": value}}))
            for value in ("separate", "shared")
        )
        assert (plain != shared) is matters, terms


def test_twenty_steps_bring_the_student_nearer_to_the_teacher(make_student, make_targets):
    student, targets = make_student(), make_targets()
    objective = objective_of()
    states = [student.cls, student.image, student.words]
    optimizer = torch.optim.Adam([*states, *objective.parameters()], lr=0.05)
    totals = []
    for step in range(20):
        total, _ = objective(TASK_LOSS, student, [targets], progress=step / 20, student_confidence_B=STUDENT_B)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item() - TASK_LOSS.item())
    assert totals[-1] < 0.5 * totals[0]
