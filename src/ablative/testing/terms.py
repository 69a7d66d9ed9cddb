"""The contract of distillation terms, as tests: subclass `TermContract`, give your term, and pytest runs them.

    class TestFocal(TermContract):
        @pytest.fixture
        def part(self) -> Term:
            return FOCAL

Dimensions: B batch, N words and regions (padded), S student width, T teacher width, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from typing import Literal
from typing import get_args
from typing import get_origin

import numpy as np
import pytest
import torch
from torch import Tensor

from ablative.testing.batches import SIZES
from ablative.testing.batches import made_student
from ablative.testing.batches import made_teacher
from ablative.testing.batches import wider
from ablative.testing.batches import with_noise_at_padding
from ablative.trainables.distillation.built import BuiltTerm
from ablative.trainables.distillation.built import build_terms
from ablative.trainables.distillation.distance import DISTANCES
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.distillation.projection import shared_projection
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.extended import trial_config
from ablative.trainables.parts.origin import Origin
from ablative.trainables.parts.part import Options
from ablative.trainables.parts.term import Term

LEARNED = ("cls", "image", "words", "logits", "regions")
"""Outputs of a student that a gradient can reach."""


class TermContract:
    """The tests of one term."""

    @pytest.fixture
    def part(self) -> Term:
        """The term; a subclass gives it."""
        raise NotImplementedError("write a fixture `part` that returns your term")

    def test_it_reads_what_it_declares_and_nothing_else(self, part: Term) -> None:
        """A view of each side records every name that the term reads, under all tested settings."""
        read: set[str] = set()
        for changes in settings_of(part):
            term, student, teacher = built(part, changes), made_student(), made_teacher()
            part.loss(_Noting(student, "student", read), _Noting(teacher, "teacher", read), term)
        assert read - set(part.reads) == set(), f"{part.defined_at}: term {part.name} reads what it does not declare"
        assert set(part.reads) - read == set(), f"{part.defined_at}: term {part.name} declares what it never reads"

    def test_each_example_has_a_finite_loss(self, part: Term) -> None:
        """Losses (B,) keep full precision at every bound of the options, even for an example without words."""
        for changes in settings_of(part):
            loss_B = built(part, changes)(made_student(), made_teacher())
            assert torch.isfinite(loss_B).all(), f"{part.defined_at}: {part.name} with {changes}: {loss_B.tolist()}"

    def test_gradients_are_finite_at_the_bounds_of_its_options(self, part: Term) -> None:
        """Gradients of the student and of the term's own parameters are finite."""
        for changes in settings_of(part):
            term, student = built(part, changes), made_student()
            _backward(term(student, made_teacher()))
            for name, slope in _slopes(term, student).items():
                assert slope is None or torch.isfinite(slope).all(), f"{part.defined_at}: {changes}: {name}"

    def test_a_batch_of_one_has_a_finite_loss(self, part: Term) -> None:
        """The last batch of a low-shot subset may have a single example."""
        loss_B = built(part)(made_student(lengths=(3,)), made_teacher(lengths=(3,)))
        assert torch.isfinite(loss_B).all()

    def test_the_student_learns_from_it(self, part: Term) -> None:
        """At least one student output has a gradient, and so has every parameter that the term trains.

        Workers wait for a gradient of every parameter.
        """
        term, student = built(part), made_student()
        _backward(term(student, made_teacher()))
        slopes = _slopes(term, student)
        moved = {name for name in LEARNED if (slope := slopes[name]) is not None and slope.any()}
        assert moved, f"{part.defined_at}: term {part.name} gives the student no gradient"
        assert moved <= {read.partition(".")[2] for read in part.reads if read.startswith("student.")}
        idle = [name for name, _ in term.module.named_parameters() if slopes[f"module.{name}"] is None]
        assert not idle, f"{part.defined_at}: term {part.name} trains {idle}, which its loss does not use"

    def test_a_shared_projection_is_all_that_it_trains_where_it_shares_one(self, part: Term) -> None:
        """All terms share one map; a term with a second map of its own would leave the shared space."""
        if "projection" in part.shares:
            term, student = built(part, {"projection": "shared"}), made_student()
            _backward(term(student, made_teacher()))
            trained = dict(term.module.named_parameters())
            assert [weight.shape for weight in trained.values()] == [
                (SIZES.teacher_width, SIZES.student_width),
                (SIZES.teacher_width,),
            ], f"{part.defined_at}: term {part.name} shares a projection, but trains {[*trained]}"
            assert all(weight.grad is not None for weight in trained.values())

    def test_the_teacher_is_left_alone(self, part: Term) -> None:
        """No gradient reaches the teacher, and the term writes to neither side of the batch."""
        student, teacher = made_student(), made_teacher(requires_grad=True)
        before = [_copied(values) for values in (student, teacher)]
        _backward(built(part)(student, teacher))
        for name in TeacherOutputs.__slots__:
            value = getattr(teacher, name)
            assert not isinstance(value, Tensor) or value.grad is None, f"teacher.{name} has a gradient"
        for values, copies in zip((student, teacher), before, strict=True):
            changed = [name for name, copy in copies.items() if not torch.equal(getattr(values, name), copy)]
            assert not changed, f"{part.defined_at}: term {part.name} writes to {changed}"

    def test_a_seed_decides_all_that_it_draws(self, part: Term) -> None:
        """A seed fixes initial values and losses. Global generators stay untouched.

        So does the term's own generator if the term does not draw.
        """
        for changes in settings_of(part):
            states = (torch.get_rng_state(), str(np.random.get_state()))  # noqa: NPY002 - it must not have moved
            one, two = built(part, changes), built(part, changes)
            for mine, other in zip(one.module.state_dict().values(), two.module.state_dict().values(), strict=True):
                assert torch.equal(mine, other)
            before = one.generator.get_state()
            assert torch.equal(*(term(made_student(), made_teacher()) for term in (one, two)))
            assert part.draws or torch.equal(one.generator.get_state(), before), (
                f"{part.defined_at}: term {part.name} draws; declare draws=True, so that a checkpoint keeps its state"
            )
            assert torch.equal(torch.get_rng_state(), states[0])
            assert str(np.random.get_state()) == states[1]  # noqa: NPY002

    def test_padding_does_not_matter(self, part: Term) -> None:
        """Neither the values at padded words nor their number change the loss."""
        expected_B = built(part)(made_student(), made_teacher())
        noisy = built(part)(*with_noise_at_padding(made_student(), made_teacher()))
        longer = built(part)(*wider(made_student(), made_teacher()))
        torch.testing.assert_close(noisy, expected_B)
        torch.testing.assert_close(longer, expected_B)

    def test_losses_keep_full_precision_where_the_student_does_not(self, part: Term) -> None:
        """With `optim.precision: bfloat16` states are rounded, but losses are summed in float32."""
        single = [_cast(values, torch.float32) for values in (made_student(), made_teacher())]
        rounded = replace(single[0], **{name: getattr(single[0], name).bfloat16() for name in LEARNED})
        term = built(part, dtype=torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert term(rounded, single[1]).dtype == torch.float32

    def test_training_goes_on_from_its_state_bit_for_bit(self, part: Term) -> None:
        """A checkpoint keeps what it trains and remembers, and its generator; batches come in two parts."""
        for changes in settings_of(part):
            whole, other = built(part, changes), built(part, changes, seed=1)
            _trained(whole, seeds=(0, 1))
            other.module.load_state_dict(whole.module.state_dict())
            if part.draws:
                other.generator.set_state(whole.generator.get_state())
            student, teacher = made_student(seed=2), made_teacher(seed=2)
            assert torch.equal(whole(student, teacher), other(student, teacher))


def built(
    part: Term, changes: dict[str, Any] | None = None, *, seed: int = 0, dtype: torch.dtype = torch.float64
) -> BuiltTerm:
    """Return the term from a trial without other terms; `changes`: other settings of `distillation`."""
    config_type = trial_config(_with(part))
    distillation = {"terms": {part.name: part.weight}, **(changes or {})}
    config = config_type.model_validate({"distillation": distillation}).distillation
    shared = shared_projection(config, SIZES.student_width, SIZES.teacher_width, seed)
    (term,) = build_terms(config, replace(SIZES, shared=shared), seed)
    term.module.to(dtype)
    return term


@cache
def _with(part: Term) -> Catalogue:
    ships = bundled()
    return ships if ships.of(Term).get(part.name) is part else ships.joined([(part, Origin(place="a test"))])


def settings_of(part: Term) -> list[dict[str, Any]]:
    """Return the settings under which a term is tested: its defaults, each bound of its options, what it shares."""
    changes: list[dict[str, Any]] = [{}]
    if part.options is not None:
        changes += [{part.name: {name: value}} for name, value in _bounds(part.options)]
    if "distance" in part.shares:
        changes += [{"distance": name} for name in DISTANCES]
    if "projection" in part.shares:
        changes.append({"projection": "shared"})
    if "selection" in part.shares:
        changes += [{"selection": {"score": "all"}}, {"selection": {"draw": "sampled"}}]
    return changes


def _bounds(options: type[Options]) -> Iterator[tuple[str, Any]]:
    for name, field in options.model_fields.items():
        whole = field.annotation is int
        near = 1 if whole else 1e-6
        if field.annotation is bool or get_origin(field.annotation) is Literal:
            yield from ((name, value) for value in get_args(field.annotation) or (False, True))
        for bound in field.metadata:
            for limit, step in (("ge", 0), ("le", 0), ("gt", near), ("lt", -near)):
                if (value := getattr(bound, limit, None)) is not None:
                    yield name, value + step


class _Noting:
    """One side of a batch that records every name read from it."""

    def __init__(self, values: StudentOutputs | TeacherOutputs, side: str, read: set[str]) -> None:
        self._values = values
        self._side = side
        self._read = read

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._values, name)
        self._read.add(f"{self._side}.{name}")
        return value


def _backward(loss_B: Tensor) -> None:
    assert loss_B.requires_grad, "no gradient flows from the loss: it does not depend on the student, or is detached"
    torch.linspace(0.5, 2.0, len(loss_B), dtype=loss_B.dtype).dot(loss_B).backward()  # as confidence would weigh it


def _slopes(term: BuiltTerm, student: StudentOutputs) -> dict[str, Tensor | None]:
    slopes = {name: getattr(student, name).grad for name in LEARNED}
    return slopes | {f"module.{name}": weight.grad for name, weight in term.module.named_parameters()}


def _copied(values: StudentOutputs | TeacherOutputs) -> dict[str, Tensor]:
    tensors = {name: getattr(values, name) for name in type(values).__slots__}
    return {name: value.detach().clone() for name, value in tensors.items() if isinstance(value, Tensor)}


def _cast(values: Any, dtype: torch.dtype) -> Any:
    tensors = _copied(values)
    return replace(values, **{name: of.to(dtype) for name, of in tensors.items() if of.is_floating_point()})


def _trained(term: BuiltTerm, seeds: Sequence[int]) -> None:
    """Take two steps, a batch in two parts each, of what the term trains."""
    trained = list(term.module.parameters())
    for _ in range(2):
        for seed in seeds:
            _backward(term(made_student(seed), made_teacher(seed)))
        with torch.no_grad():
            for weight in trained:
                if weight.grad is not None:
                    weight.sub_(0.01 * weight.grad)
                    weight.grad = None
