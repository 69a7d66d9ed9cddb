"""A term of one trial: the part, its options, its module and its random stream.

Dimensions: B batch. With several workers, a batch is one worker's share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch import nn

from ablative.trainables.distillation.config import DistillationConfig
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.distillation.projection import stream
from ablative.trainables.distillation.settings import SelectionConfig
from ablative.trainables.distillation.views import View
from ablative.trainables.parts.part import PartError
from ablative.trainables.parts.term import Term
from ablative.trainables.parts.term import TermSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltTerm:
    """The third argument of a term's loss."""

    part: Term
    weight: float
    """Factor in the objective, above 0."""
    options: Any
    """An instance of `part.options`; None where it has none."""
    shared: Mapping[str, Any]
    """The settings of `distillation` that the term shares, by name."""
    module: nn.Module
    """All that the term trains or remembers, in training only; may be empty."""
    generator: torch.Generator
    """The term's own, on the CPU."""

    def __call__(self, student: StudentOutputs, teacher: TeacherOutputs) -> Tensor:
        """Return (B,) the unweighted loss of each example.

        Raises PartError if the term reads a tensor that it does not declare, or returns something else.
        """
        try:
            value = self.part.loss(View(student, "student", self.part), View(teacher, "teacher", self.part), self)
        except PartError:
            raise
        except Exception as error:  # the type stays, because a lack of memory is its own cause
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            error.add_note(f"{self.part.defined_at}: the loss of term {self.part.name} raised {what}")
            raise
        if (lacking := _lacking(value, student.cls)) is not None:
            raise PartError(f"{self.part.defined_at}: term {self.part.name} returns {lacking}")
        return value

    @property
    def name(self) -> str:
        """Its name in a study."""
        return self.part.name

    @property
    def distance(self) -> str:
        """`distillation.distance`. Raises PartError if the term does not share it."""
        return self._shared("distance")

    @property
    def selection(self) -> SelectionConfig:
        """`distillation.selection`. Raises PartError if the term does not share it."""
        return self._shared("selection")

    def _shared(self, name: str) -> Any:
        if name not in self.shared:
            raise PartError(
                f"{self.part.defined_at}: term {self.name} reads term.{name}, which it does not declare; "
                f"add {name!r} to its shares"
            )
        return self.shared[name]


def build_terms(config: DistillationConfig, sizes: TermSizes, seed: int, teacher: int = 0) -> list[BuiltTerm]:
    """Return the terms whose weight is above 0, each with its own random stream for each teacher.

    Raises PartError if a term trains something else than a module.
    """
    return [_built(config, part, sizes, stream(seed, part.name, teacher)) for part in config.terms_on()]


def _built(config: DistillationConfig, part: Term, sizes: TermSizes, generator: torch.Generator) -> BuiltTerm:
    if hasattr(nn.ModuleDict, part.name):
        raise PartError(f"{part.defined_at}: term {part.name}: torch reserves this name; give the term another one")
    options = getattr(config, part.name) if part.options is not None else None
    sizes = sizes if "projection" in part.shares else replace(sizes, shared=None)
    module = nn.Module() if part.trains is None else part.trains(sizes, options, generator)
    if not isinstance(module, nn.Module):
        raise PartError(
            f"{part.defined_at}: term {part.name} trains {type(module).__name__}; wanted a torch.nn.Module"
        )
    return BuiltTerm(
        part=part,
        weight=getattr(config.terms, part.name) * config.weighting.factor,
        options=options,
        shared={name: getattr(config, name) for name in part.shares},
        module=module,
        generator=generator,
    )


def _lacking(value: object, states_BS: Tensor) -> str | None:
    """Return what a term returned and what was wanted; None if the value is right."""
    if not isinstance(value, Tensor):
        return f"{type(value).__name__}; wanted a tensor (B,), the loss of each example"
    if value.shape != states_BS.shape[:1]:
        wanted = tuple(states_BS.shape[:1])
        return f"a tensor of shape {tuple(value.shape)}; wanted {wanted}, the loss of each example of the batch"
    if value.device != states_BS.device:
        return f"a tensor on {value.device}; wanted it on {states_BS.device}, where the student is"
    if value.dtype != (precise := torch.promote_types(states_BS.dtype, torch.float32)):
        return f"a tensor of {value.dtype}; wanted {precise}: losses are summed in full precision"
    return None
