"""The memory of `crd`. Dimensions: B batch, M examples of the training subset, D width compared in."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch import nn

from ablative.trainables.distillation.distance import unit_length
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.distillation.projection import initial_projection
from ablative.trainables.parts.term import TermSizes


class Memory(nn.Module):
    """Two embeddings, and each example's latest value under both, in buffers that checkpoints hold.

    A worker remembers the examples of its own share; before each step all ranks copy rank 0's.
    """

    students_MD: Tensor
    teachers_MD: Tensor
    log_constants: Tensor
    """(2,) log Z: Z is M times the mean of exp(g.m / tau) over the first batch, fixed from then on; infinite before
    it.
    """

    def __init__(self, sizes: TermSizes, width: int, generator: torch.Generator) -> None:
        """`width`: D."""
        super().__init__()
        self.student = initial_projection(sizes.student_width, width, generator)
        self.teacher = initial_projection(2 * sizes.teacher_width, width, generator)
        for name in ("students_MD", "teachers_MD"):
            directions_MD = torch.empty(sizes.num_examples, width).normal_(generator=generator)
            self.register_buffer(name, unit_length(directions_MD))
        self.register_buffer("log_constants", torch.full((2,), math.inf))

    def forward(self, student: StudentOutputs, teacher: TeacherOutputs) -> tuple[Tensor, Tensor]:
        """Return (B, D) unit embeddings of the student's h_cls, and of the teacher's image and sentence together."""
        pair = torch.cat([teacher.image, teacher.text], dim=-1)
        return unit_length(self.student(student.cls)), unit_length(self.teacher(pair))

    @torch.no_grad()
    def remember(self, index_B: Tensor, students_BD: Tensor, teachers_BD: Tensor, momentum: float) -> None:
        """Move the entries of these examples; if one is in the batch twice, the later row counts."""
        for memory_MD, new_BD in ((self.students_MD, students_BD), (self.teachers_MD, teachers_BD)):
            mixed_BD = momentum * memory_MD[index_B] + (1 - momentum) * new_BD
            memory_MD.index_copy_(0, index_B, unit_length(mixed_BD))
