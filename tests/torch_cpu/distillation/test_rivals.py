from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import TermWeights
from ablative.trainables.distillation.built import BuiltTerm
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.terms.remembered import own_and_others
from tests.torch_cpu.distillation.plain_terms import PLAIN

OPTIONS = {
    "logits": {"temperature": 2.0},
    "mixed_labels": {"share": 0.3},
    "crd": {"width": 4, "temperature": 0.5, "negatives": 8},
    "clip_relational": {"temperature": 1.5},
    "affinity": {"soft_share": 0.6},
    "dime": {"text_share": 0.7, "text_temperature": 0.8, "image_temperature": 2.0},
}
"""None at its default, so that none can be ignored."""
RELATIONS = ["rkd_distance", "rkd_angle", "similarity", "clip_relational", "clip_interactive", "dime", "crd"]


def term_of(name: str, examples: int = 9, seed: int = 0, **options) -> BuiltTerm:
    group = {name: options or OPTIONS[name]} if name in OPTIONS else {}
    config = DistillationConfig(terms=TermWeights(**{name: 1.0}), **group)
    objective = Objective(config, 6, [(5, 1.0)], num_examples=examples, seed=seed).double()
    (term,) = objective.teachers[0].terms
    return term


def leaves(term: BuiltTerm, student: StudentOutputs) -> list[torch.Tensor]:
    return [student.cls, student.image, student.words, student.logits, *term.module.parameters()]


def slopes(value: torch.Tensor, of: list[torch.Tensor]) -> list[torch.Tensor]:
    """Gradients, zeros where there is none."""
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in of]
    found = torch.autograd.grad(value, of, allow_unused=True)
    return [torch.zeros_like(leaf) if slope is None else slope for leaf, slope in zip(of, found, strict=True)]


def check_against_formula(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> None:
    plain_B = torch.stack(PLAIN[term.name](term, student, targets))
    value_B = term(student, targets)
    torch.testing.assert_close(value_B, plain_B, atol=1e-6, rtol=1e-6)
    factors_B = torch.linspace(0.5, 2.0, len(plain_B), dtype=torch.float64)  # as a confidence weight would
    of = leaves(term, student)
    pairs = zip(slopes(factors_B @ value_B, of), slopes(factors_B @ plain_B, of), strict=True)
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_every_rival_has_a_reference_here_or_in_a_test_of_its_own():
    own = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert set(DistillationConfig.parts) - {"image", "text", "tokens"} <= set(PLAIN) | own


@pytest.mark.parametrize("name", PLAIN)
def test_value_and_gradient_equal_the_formula(name, make_student, make_targets):
    check_against_formula(term_of(name), make_student(), make_targets())


@pytest.mark.parametrize("name", PLAIN)
def test_a_batch_of_one_equals_the_formula(name, make_student, make_targets):
    check_against_formula(term_of(name), make_student(batch=1, words=3), make_targets(lengths=(3,)))


@pytest.mark.parametrize("name", PLAIN)
def test_two_examples_of_one_picture_and_a_sentence_without_words_equal_the_formula(name, make_student, make_targets):
    targets = make_targets(lengths=(4, 0, 2))
    image_BT = targets.image.clone()
    image_BT[2] = image_BT[0]
    student = make_student(batch=3, words=4)
    if name == "rkd_angle":  # a direction from one place to itself has no cosine: the formula says nothing
        value_B = term_of(name)(student, replace(targets, image=image_BT))
        assert torch.isfinite(value_B).all()
        return
    check_against_formula(term_of(name), student, replace(targets, image=image_BT))


def test_a_sentence_or_a_picture_of_another_example_is_no_negative(make_student, make_targets):
    targets = make_targets()
    text_BT, image_BT = targets.text.clone(), targets.image.clone()
    text_BT[1], image_BT[3] = text_BT[0], image_BT[2]
    check_against_formula(term_of("clip_interactive"), make_student(), replace(targets, text=text_BT))
    check_against_formula(term_of("clip_interactive"), make_student(), replace(targets, image=image_BT))


@pytest.mark.parametrize("name", PLAIN)
def test_values_and_gradients_are_finite_where_everything_is_zero_or_in_one_place(name, make_student, make_targets):
    still = make_student()
    for states in (still.cls, still.image, still.words):
        states.data.zero_()
    targets = make_targets()
    flat = replace(
        targets,
        image=torch.zeros_like(targets.image),
        text=targets.text[:1].expand_as(targets.text),
        probabilities=torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0]],
    )
    term = term_of(name)
    value_B = term(still, flat)
    assert torch.isfinite(value_B).all()
    assert all(torch.isfinite(slope).all() for slope in slopes(value_B.sum(), leaves(term, still)))


@pytest.mark.parametrize("name", PLAIN)
def test_the_teacher_receives_no_gradient(name, make_student, make_targets):
    student, targets = make_student(), make_targets(requires_grad=True)
    term_of(name)(student, targets).sum().backward()
    assert targets.image.grad is None
    assert targets.text.grad is None
    assert targets.visual.grad is None


@pytest.mark.parametrize("name", RELATIONS)
def test_a_batch_in_another_order_gives_every_example_its_value(name, make_student, make_targets):
    student, targets = make_student(), make_targets()
    order = torch.tensor([2, 0, 3, 1])
    tensors = [
        {name: value for name in one.__slots__ if torch.is_tensor(value := getattr(one, name)) and len(value)}
        for one in (student, targets)
    ]
    turned = [
        replace(one, **{name: value[order] for name, value in found.items()})
        for one, found in zip((student, targets), tensors, strict=True)
    ]
    expected_B = term_of(name)(student, targets)[order]
    torch.testing.assert_close(term_of(name)(*turned), expected_B)


@pytest.mark.parametrize("name", ["rkd_distance", "rkd_angle", "similarity", "attention"])
def test_relations_train_nothing_of_their_own(name):
    assert list(term_of(name).module.parameters()) == []


@pytest.mark.parametrize("name", ["rkd_distance", "rkd_angle", "similarity"])
def test_a_student_with_the_relations_of_its_teacher_has_nothing_to_learn(name, make_student, make_targets):
    targets = make_targets()
    moved, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    seen = [torch.nn.functional.pad(t, (0, 1)) @ moved * 3 for t in (targets.image, targets.text)]
    student = replace(make_student(), image=seen[0], cls=seen[1])
    assert term_of(name)(student, targets).abs().max() < 1e-7


def test_affinity_and_the_relational_term_differ_where_the_student_is_not_the_teacher(make_student, make_targets):
    student, targets = make_student(), make_targets()
    values = [term_of(name)(student, targets).mean().item() for name in ("affinity", "clip_relational")]
    assert abs(values[0] - values[1]) > 1e-3


def test_clip_feature_is_image_and_text_by_squared_error_over_the_width(make_student, make_targets):
    term, student, targets = term_of("clip_feature"), make_student(), make_targets()
    terms = TermWeights(image=1.0, text=1.0)
    naive = Objective(DistillationConfig(terms=terms, distance="mse"), 6, [(5, 1.0)], num_examples=4, seed=0)
    (naive,) = naive.double().teachers
    naive.projections["image"].load_state_dict(term.module.image.state_dict())
    naive.projections["text"].load_state_dict(term.module.text.state_dict())
    summed_B = sum(part(student, targets) for part in naive.terms)
    torch.testing.assert_close(term(student, targets), summed_B / 5, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("name", ["clip_relational", "clip_interactive", "affinity", "dime", "rkd_distance", "crd"])
def test_relations_are_not_rounded_to_bfloat16(name, make_student, make_targets):
    config = DistillationConfig(terms=TermWeights(**{name: 1.0}))
    (term,) = Objective(config, 6, [(5, 1.0)], num_examples=4, seed=0).teachers[0].terms
    single = [_single(o) for o in (make_student(), make_targets())]
    for parameter in term.module.parameters():  # what is left to round is told apart from the projection
        parameter.data = parameter.data.bfloat16().float()
    rounded = replace(single[0], cls=single[0].cls.bfloat16(), image=single[0].image.bfloat16())
    plain = replace(single[0], cls=rounded.cls.float(), image=rounded.image.float())
    scaled = replace(single[1], scale=1.0)
    expected = copy.deepcopy(term)(plain, scaled)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = term(rounded, scaled)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)


def _single(outputs):
    tensors = {name: getattr(outputs, name) for name in outputs.__slots__}
    floats = {n: t.detach().float() for n, t in tensors.items() if torch.is_tensor(t) and t.is_floating_point()}
    return replace(outputs, **floats)


class TestMemory:
    def test_entries_move_by_the_momentum_and_stay_of_unit_length(self, make_student, make_targets):
        term = term_of("crd", momentum=0.25, width=4)
        memory = term.module
        student, targets = make_student(), replace(make_targets(), index=torch.tensor([7, 1, 4, 2]))
        before, (new_BD, _) = memory.students_MD.clone(), memory(student, targets)
        term(student, targets)
        expected = before.clone()
        for row, index in enumerate([7, 1, 4, 2]):
            mixed = 0.25 * before[index] + 0.75 * new_BD[row].detach()
            expected[index] = mixed / mixed.norm()
        torch.testing.assert_close(memory.students_MD, expected, atol=1e-6, rtol=1e-6)
        assert not memory.students_MD.requires_grad

    def test_constants_are_those_of_the_first_batch(self, make_student, make_targets):
        term = term_of("crd")
        term(make_student(), make_targets())
        first = term.module.log_constants.clone()
        term(make_student(seed=1), make_targets(seed=1))
        assert torch.isfinite(first).all()
        assert torch.equal(term.module.log_constants, first)

    def test_negatives_are_other_examples_all_of_them_where_there_are_few(self):
        indices_B = torch.tensor([3, 0])
        few = own_and_others(indices_B, 5, 100, torch.Generator())
        assert few[:, 0].tolist() == [3, 0]
        assert [sorted(row) for row in few.tolist()] == [list(range(5))] * 2
        many = own_and_others(indices_B, 50, 20, torch.Generator())
        assert many.shape == (2, 21)
        assert (many[:, 1:] != indices_B.unsqueeze(-1)).all()

    def test_negatives_are_drawn_evenly(self):
        generator = torch.Generator()
        drawn = torch.cat([own_and_others(torch.full((500,), 2), 5, 3, generator)[:, 1:].flatten() for _ in range(4)])
        shares = torch.bincount(drawn, minlength=5).double() / len(drawn)
        assert shares.tolist() == pytest.approx([0.25, 0.25, 0.0, 0.25, 0.25], abs=0.03)

    def test_a_subset_of_one_example_has_nothing_to_tell_apart(self, make_student, make_targets):
        term, student = term_of("crd", examples=1), make_student(batch=1)
        value_B = term(student, make_targets(lengths=(7,)))
        assert value_B.tolist() == [0.0]
        assert all(torch.isfinite(slope).all() for slope in slopes(value_B.sum(), leaves(term, student)))

    def test_memory_and_draws_go_on_from_their_state_bit_for_bit(self, make_student, make_targets):
        whole, cut = (term_of("crd", examples=50, negatives=5) for _ in range(2))
        batches = [(make_student(seed=s), make_targets(seed=s)) for s in range(4)]
        for batch in batches[:2]:
            whole(*batch)
            cut(*batch)
        resumed = term_of("crd", examples=50, negatives=5, seed=1)
        assert not torch.equal(resumed.module.students_MD, cut.module.students_MD)
        resumed.module.load_state_dict(cut.module.state_dict())
        resumed.generator.set_state(cut.generator.get_state())
        for batch in batches[2:]:
            assert torch.equal(resumed(*batch), whole(*batch))

    def test_a_score_is_never_too_great(self, make_student, make_targets):
        value_B = term_of("crd", temperature=1e-4, width=4)(make_student(), make_targets())
        assert math.isfinite(value_B.sum().item())
