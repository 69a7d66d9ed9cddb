"""Contrastive representation distillation with a memory of all training examples (CRD of ICLR 2020).

Dimensions: B batch, M examples of the training subset, K one own entry and then the negatives, D width compared in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import nn
from torch.nn import functional as F

from ablative.trainables.distillation.config import CrdConfig
from ablative.trainables.distillation.config import DistillationConfig
from ablative.trainables.distillation.distance import full_precision
from ablative.trainables.distillation.distance import unit_length
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherTargets
from ablative.trainables.distillation.projection import initial_projection
from ablative.trainables.distillation.term import Term
from ablative.trainables.distillation.term import TermSizes


class Memory(nn.Module):
    """Two embeddings, and the last of each example under both: buffers, so that a checkpoint holds them.

    A worker remembers the examples of its own share; before each step all take over those of the first worker.
    """

    students_MD: Tensor
    teachers_MD: Tensor
    log_constants: Tensor
    """(2,) log Z: Z is M times the mean of exp(g.m / tau) over the first batch, and kept; infinite before it."""

    def __init__(self, options: CrdConfig, sizes: TermSizes, generator: torch.Generator) -> None:
        super().__init__()
        self.student = initial_projection(sizes.student_width, options.width, generator)
        self.teacher = initial_projection(2 * sizes.teacher_width, options.width, generator)
        for name in ("students_MD", "teachers_MD"):
            directions_MD = torch.empty(sizes.num_examples, options.width).normal_(generator=generator)
            self.register_buffer(name, unit_length(directions_MD))
        self.register_buffer("log_constants", torch.full((2,), math.inf))

    def forward(self, student: StudentOutputs, targets: TeacherTargets) -> tuple[Tensor, Tensor]:
        """Return (B, D) unit embeddings of the student's h_cls, and of the teacher's image and sentence together."""
        pair = torch.cat([targets.image_BT, targets.text_BT], dim=-1).detach()
        return unit_length(self.student(student.h_cls)), unit_length(self.teacher(pair))

    @torch.no_grad()
    def remember(self, indices_B: Tensor, students_BD: Tensor, teachers_BD: Tensor, momentum: float) -> None:
        """Move the entries of these examples; of one that is in the batch twice, the later counts."""
        for memory_MD, new_BD in ((self.students_MD, students_BD), (self.teachers_MD, teachers_BD)):
            mixed_BD = momentum * memory_MD[indices_B] + (1 - momentum) * new_BD
            memory_MD.index_copy_(0, indices_B, unit_length(mixed_BD))


@dataclass(frozen=True, slots=True, kw_only=True)
class CrdTerm(Term):
    """CRD (arXiv 1910.10699), weight 0.8: is this embedding of one model and that of the other from one example?

    With g.m the cosine of an embedding with a memory entry, P = exp(g.m / tau) / Z, N negatives of M examples and
    h = P / (P + N / M), the noise-contrastive loss is -log h(own) - sum over negatives of log(1 - h), for the student
    against the memory of the teacher plus the teacher against the memory of the student.

    The fused form: a student's h_cls stands for picture and text, so its partner is the teacher's pair of embeddings
    side by side. Negatives are other examples, drawn afresh in each step, all of them where there are no more than
    asked for; the source draws 16,384 (ours, 512, is a choice), with tau 0.07, momentum 0.5 and width 128.
    """

    name = "crd"
    draws = True
    projection: Memory

    @classmethod
    def projected(cls, config: DistillationConfig, sizes: TermSizes, generator: torch.Generator) -> nn.Module:
        """Return the embeddings with their memory."""
        return Memory(config.crd, sizes, generator)

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) losses in nats, and remember the batch; 0 where the subset is a single example."""
        memory, indices_B = self.projection, targets.indices_B
        students_BD, teachers_BD = memory(student, targets)
        rows_BK = self._rows(indices_B)
        student_B = self._told_apart(students_BD, memory.teachers_MD[rows_BK], memory.log_constants[0])
        teacher_B = self._told_apart(teachers_BD, memory.students_MD[rows_BK], memory.log_constants[1])
        memory.remember(indices_B, students_BD, teachers_BD, self.config.crd.momentum)
        return student_B + teacher_B

    def _rows(self, indices_B: Tensor) -> Tensor:
        """(B, K) the own entry of each example, then those of others."""
        num_examples, wanted = len(self.projection.students_MD), self.config.crd.negatives
        if num_examples - 1 <= wanted:
            steps = torch.arange(num_examples).expand(len(indices_B), -1)
        else:
            drawn = torch.randint(1, num_examples, (len(indices_B), wanted), generator=self.generator)
            steps = F.pad(drawn, (1, 0))
        return (indices_B.unsqueeze(-1) + steps.to(indices_B.device)) % num_examples

    def _told_apart(self, anchors_BD: Tensor, entries_BKD: Tensor, log_constant: Tensor) -> Tensor:
        with full_precision(anchors_BD):
            scores_BK = torch.einsum("bd,bkd->bk", anchors_BD, entries_BKD) / self.config.crd.temperature
        num_examples, negatives = len(self.projection.students_MD), entries_BKD.shape[1] - 1
        with torch.no_grad():
            estimate = scores_BK.flatten().logsumexp(0) + math.log(num_examples / scores_BK.numel())
            log_constant.copy_(torch.where(log_constant.isinf(), estimate, log_constant))
        noise = math.log(negatives / num_examples) if negatives else -math.inf
        odds_BK = scores_BK - log_constant - noise  # log h / (1 - h)
        return F.softplus(-odds_BK[:, 0]) + F.softplus(odds_BK[:, 1:]).sum(-1)
