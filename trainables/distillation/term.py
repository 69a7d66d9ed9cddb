"""What a term of the objective is. Dimensions: B batch, S student width, T teacher width.

A term over a batch (relations, contrasts) gives each example the share that has it as its row, so that the mean over
examples is the batch's value and confidence weights apply. With several workers a batch is a worker's own share of it.
"""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar
from typing import Self

import torch
from torch import Tensor
from torch import nn

from ablative.trainables.distillation.config import DistillationConfig
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherTargets


@dataclass(frozen=True, slots=True, kw_only=True)
class TermSizes:
    """What the size of a term's parameters depends on."""

    student_width: int
    teacher_width: int
    num_examples: int
    """Of the training subset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(ABC):
    """One weighted part of the objective."""

    name: ClassVar[str]
    """Field of `distillation.terms` that holds the weight; the term's options, if any, are the group of this name."""
    draws: ClassVar[bool] = False
    """Whether the term draws from its generator during training."""
    config: DistillationConfig
    projection: nn.Module
    """All that the term trains or remembers, which exists in training only."""
    generator: torch.Generator

    @classmethod
    def build(cls, config: DistillationConfig, sizes: TermSizes, generator: torch.Generator) -> Self:
        """Return the term as the configuration wants it; its first values come from `generator` too."""
        return cls(config=config, projection=cls.projected(config, sizes, generator), generator=generator)

    @classmethod
    def projected(cls, config: DistillationConfig, sizes: TermSizes, generator: torch.Generator) -> nn.Module:
        """Return the module to be trained with the student; one without parameters where relations are compared."""
        return nn.Module()

    @property
    def weight(self) -> float:
        """Factor of the term in the objective, above 0."""
        return float(getattr(self.config.terms, self.name))

    @abstractmethod
    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) the unweighted term of each example; teacher features receive no gradient."""
