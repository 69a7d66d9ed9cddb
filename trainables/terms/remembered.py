"""Contrastive representation distillation with a memory of all training examples (CRD of ICLR 2020).

Dimensions: B batch, M examples of the training subset, K one own entry and then the negatives, D width compared in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from typing import cast

from pydantic import Field

from ablative.trainables.parts.part import Options
from ablative.trainables.parts.term import Term
from ablative.trainables.parts.term import TermSizes
from ablative.trainables.settings import Temperature

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch import nn

    from ablative.trainables.distillation.built import BuiltTerm
    from ablative.trainables.distillation.memory import Memory
    from ablative.trainables.distillation.outputs import StudentOutputs
    from ablative.trainables.distillation.outputs import TeacherOutputs


class CrdOptions(Options):
    """Options of `crd`."""

    negatives: int = Field(512, ge=1, le=1_000_000, description="Examples that each one is told from in `crd`.")
    temperature: Temperature = Field(0.07, description="Temperature of the scores in `crd`.")
    momentum: float = Field(0.5, ge=0, lt=1, description="Share of the old entry in the memory of `crd`.")
    width: int = Field(128, ge=1, le=16_384, description="Width of the space in which `crd` compares.")


def crd(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """CRD (arXiv 1910.10699), weight 0.8: do these embeddings of the two models come from the same example?

    Let g.m be the cosine of an embedding with a memory entry, P = exp(g.m / tau) / Z and h = P / (P + N / M), with N
    negatives and M examples. The noise-contrastive loss is -log h(own) - sum over negatives of log(1 - h). It is taken
    for the student against the teacher's memory, plus the teacher against the student's memory. In nats; remembers the
    batch; 0 if the subset is a single example.

    The fused form: a student's h_cls stands for picture and text, so its partner is the teacher's pair of embeddings
    side by side. Negatives are other examples, drawn afresh in each step; all of them if there are too few. The source
    draws 16,384 (our 512 is a choice), with tau 0.07, momentum 0.5 and width 128.
    """
    memory, options, index_B = cast("Memory", term.module), term.options, teacher.index
    students_BD, teachers_BD = memory(student, teacher)
    rows_BK = own_and_others(index_B, len(memory.students_MD), options.negatives, term.generator)
    losses = [
        _told_apart(anchors_BD, entries_MD[rows_BK], log_constant, len(entries_MD), options.temperature)
        for anchors_BD, entries_MD, log_constant in (
            (students_BD, memory.teachers_MD, memory.log_constants[0]),
            (teachers_BD, memory.students_MD, memory.log_constants[1]),
        )
    ]
    memory.remember(index_B, students_BD, teachers_BD, options.momentum)
    return losses[0] + losses[1]


def own_and_others(index_B: Tensor, num_examples: int, wanted: int, generator: torch.Generator) -> Tensor:
    """Return (B, K) the own entry of each example, then those of other examples."""
    import torch
    from torch.nn import functional as F

    if num_examples - 1 <= wanted:
        steps = torch.arange(num_examples).expand(len(index_B), -1)
    else:
        drawn = torch.randint(1, num_examples, (len(index_B), wanted), generator=generator)
        steps = F.pad(drawn, (1, 0))
    return (index_B.unsqueeze(-1) + steps.to(index_B.device)) % num_examples


def _told_apart(
    anchors_BD: Tensor, entries_BKD: Tensor, log_constant: Tensor, num_examples: int, temperature: float
) -> Tensor:
    import torch
    from torch.nn import functional as F

    from ablative.trainables.distillation.distance import full_precision

    with full_precision(anchors_BD):
        scores_BK = torch.einsum("bd,bkd->bk", anchors_BD, entries_BKD) / temperature
    negatives = entries_BKD.shape[1] - 1
    with torch.no_grad():
        estimate = scores_BK.flatten().logsumexp(0) + math.log(num_examples / scores_BK.numel())
        log_constant.copy_(torch.where(log_constant.isinf(), estimate, log_constant))
    noise = math.log(negatives / num_examples) if negatives else -math.inf
    odds_BK = scores_BK - log_constant - noise  # log h / (1 - h)
    return F.softplus(-odds_BK[:, 0]) + F.softplus(odds_BK[:, 1:]).sum(-1)


def memory_of(sizes: TermSizes, options: CrdOptions, generator: torch.Generator) -> nn.Module:
    """Return the embeddings with their memory."""
    from ablative.trainables.distillation.memory import Memory

    return Memory(sizes, options.width, generator)


PARTS = [
    Term(
        name="crd",
        description="Contrastive representation with a memory of all examples (CRD).",
        options=CrdOptions,
        reads=("student.cls", "teacher.image", "teacher.text", "teacher.index"),
        weight=0.8,
        loss=crd,
        trains=memory_of,
        draws=True,
    ),
]
