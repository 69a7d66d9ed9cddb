"""Every term that ships passes the contract, and the contract catches terms that do not do what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import Field
from torch import nn

from ablative.testing.terms import TermContract
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.part import Options
from ablative.trainables.parts.part import PartError
from ablative.trainables.parts.sources import catalogue
from ablative.trainables.parts.term import Term

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "own_loss.py"
SHIPPED = bundled().of(Term)


class TestShipped(TermContract):
    @pytest.fixture(params=SHIPPED.values(), ids=SHIPPED)
    def part(self, request: pytest.FixtureRequest) -> Term:
        return request.param


class SharpOptions(Options):
    power: float = Field(2.0, ge=0.0, le=4.0, description="Exponent.")


def sound_loss(student: Any, teacher: Any, term: Any) -> torch.Tensor:
    return (student.logits.softmax(-1) - teacher.probabilities).square().sum(-1) ** term.options.power


SOUND = Term(
    name="sharp",
    description="Squared difference of probabilities.",
    options=SharpOptions,
    reads=("student.logits", "teacher.probabilities"),
    loss=sound_loss,
)


class TestOneOfOnesOwn(TermContract):
    @pytest.fixture
    def part(self) -> Term:
        return SOUND


class TestTheExample(TermContract):
    @pytest.fixture
    def part(self) -> Term:
        return catalogue([EXAMPLE]).of(Term)["agreement"]


def wrong(loss: Callable[[Any, Any, Any], Any], **changes: Any) -> Term:
    """The sound term with another loss."""
    return replace(SOUND, loss=loss, **changes)


def trained(sizes: Any, options: Any, generator: torch.Generator) -> nn.Module:
    return nn.Linear(3, 3)


class Counting(nn.Module):
    """Remembers how often it was called outside of what a checkpoint keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self) -> int:
        self.calls += 1
        return self.calls


def in_place(student: Any, teacher: Any, term: Any) -> torch.Tensor:
    teacher.probabilities.mul_(0.5)
    return sound_loss(student, teacher, term)


def drawn(student: Any, teacher: Any, term: Any) -> torch.Tensor:
    return sound_loss(student, teacher, term) * torch.rand(1, generator=term.generator, dtype=torch.float64)


def by_padding(student: Any, teacher: Any, term: Any) -> torch.Tensor:
    return student.words.mean((1, 2)) * teacher.visual.mean(-1)


FAULTS: dict[str, tuple[Term, Callable[..., None], str | None]] = {
    "reads what it does not declare": (
        wrong(lambda s, t, own: sound_loss(s, t, own) + t.confidence),
        TermContract.test_it_reads_what_it_declares_and_nothing_else,
        r"test_terms\.py:\d+: term sharp reads what it does not declare",
    ),
    "reads what it does not declare, in a trial": (
        wrong(lambda s, t, own: sound_loss(s, t, own) + t.confidence),
        TermContract.test_each_example_has_a_finite_loss,
        r"test_terms\.py:\d+: term sharp reads teacher\.confidence, .* add 'teacher\.confidence' to its reads",
    ),
    "reads what is not there": (
        wrong(lambda s, t, own: s.hidden),
        TermContract.test_each_example_has_a_finite_loss,
        r"term sharp reads student\.hidden, which does not exist; use one of student\.cls",
    ),
    "shares what it does not declare": (
        wrong(lambda s, t, own: sound_loss(s, t, own) * len(own.distance)),
        TermContract.test_each_example_has_a_finite_loss,
        r"term sharp reads term\.distance, .* add 'distance' to its shares",
    ),
    "declares what it never reads": (
        wrong(sound_loss, reads=(*SOUND.reads, "teacher.words")),
        TermContract.test_it_reads_what_it_declares_and_nothing_else,
        "declares what it never reads",
    ),
    "gives the mean": (
        wrong(lambda s, t, own: sound_loss(s, t, own).mean()),
        TermContract.test_each_example_has_a_finite_loss,
        r"test_terms\.py:\d+: term sharp returns a tensor of shape \(\); wanted \(4,\)",
    ),
    "gives a number": (
        wrong(lambda s, t, own: 1.0),
        TermContract.test_each_example_has_a_finite_loss,
        "returns float; wanted a tensor",
    ),
    "rounds": (
        wrong(lambda s, t, own: sound_loss(s, t, own).half()),
        TermContract.test_each_example_has_a_finite_loss,
        r"returns a tensor of torch\.float16; wanted torch\.float64",
    ),
    "is not finite at a bound of its options": (
        wrong(lambda s, t, own: sound_loss(s, t, own) / own.options.power),
        TermContract.test_each_example_has_a_finite_loss,
        r"sharp with \{'sharp': \{'power': 0\.0\}\}",
    ),
    "has no gradient": (
        wrong(lambda s, t, own: sound_loss(s, t, own).detach()),
        TermContract.test_the_student_learns_from_it,
        "no gradient flows",
    ),
    "trains what it does not use": (
        wrong(sound_loss, trains=trained),
        TermContract.test_the_student_learns_from_it,
        r"trains \['weight', 'bias'\], which its loss does not use",
    ),
    "starts from global random numbers": (
        wrong(lambda s, t, own: own.module(s.logits).square().sum(-1) + sound_loss(s, t, own), trains=trained),
        TermContract.test_a_seed_decides_all_that_it_draws,
        None,
    ),
    "writes to the teacher": (wrong(in_place), TermContract.test_the_teacher_is_left_alone, "writes to"),
    "draws without saying so": (
        wrong(drawn),
        TermContract.test_a_seed_decides_all_that_it_draws,
        "declare draws=True",
    ),
    "reads padding": (
        wrong(by_padding, options=None, reads=("student.words", "teacher.visual")),
        TermContract.test_padding_does_not_matter,
        None,
    ),
    "remembers what no checkpoint keeps": (
        wrong(lambda s, t, own: sound_loss(s, t, own) * own.module(), trains=lambda *_: Counting()),
        TermContract.test_training_goes_on_from_its_state_bit_for_bit,
        None,
    ),
    "trains something else than a module": (
        wrong(sound_loss, trains=lambda *_: [1.0]),
        TermContract.test_each_example_has_a_finite_loss,
        r"trains list; wanted a torch\.nn\.Module",
    ),
    "divides by the number of other examples": (
        wrong(lambda s, t, own: sound_loss(s, t, own) * 0 / (len(s.logits) - 1) + sound_loss(s, t, own)),
        TermContract.test_a_batch_of_one_has_a_finite_loss,
        None,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str) -> None:
    """By one test of the contract, which passes for the sound term."""
    part, test, said = FAULTS[fault]

    test(TermContract(), SOUND)
    with pytest.raises((AssertionError, PartError, ZeroDivisionError), match=said):
        test(TermContract(), part)


def test_what_a_loss_raises_says_whose_it_was() -> None:
    """The exception stays what it is, so that a lack of memory is one."""
    part = wrong(lambda s, t, own: s.logits @ t.probabilities)

    with pytest.raises(RuntimeError) as caught:
        TermContract().test_a_batch_of_one_has_a_finite_loss(part)

    assert "the loss of term sharp raised RuntimeError: mat1" in "".join(caught.value.__notes__)
