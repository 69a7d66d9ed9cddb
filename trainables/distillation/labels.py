"""Terms on the classes of the task: what the teacher's probabilities say beside the labels.

The teacher has no head for these tasks; its probabilities are those of the cross-fitted probe, or of its cosines with
VCR's candidates (`trainables.teachers.confidence`). Dimensions: B batch, K classes or candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ablative.trainables.distillation.confidence import LEAST_PROBABILITY
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherTargets
from ablative.trainables.distillation.term import Term


def softened_divergence(student_BK: Tensor, teacher_BK: Tensor, temperature: float) -> Tensor:
    """Return (B,) KL(softmax(teacher / T) || softmax(student / T)) of logits, in nats."""
    student_BK = student_BK.to(torch.promote_types(student_BK.dtype, torch.float32))
    student_log_BK = (student_BK / temperature).log_softmax(-1)
    teacher_log_BK = (teacher_BK / temperature).log_softmax(-1)
    return (teacher_log_BK.exp() * (teacher_log_BK - student_log_BK)).sum(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitsTerm(Term):
    """Hinton's distillation (arXiv 1503.02531): T^2 KL(softmax(z_T / T) || softmax(z_S / T)).

    z_T are the logarithms of the teacher's probabilities; z_S the student's log-odds of each class, or in VCR of a
    match with each candidate. RepDistiller weighs the task by 0.1 and this by 0.9; here the task loss stays at 1.
    """

    name = "logits"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) divergences in nats, times T^2 so that gradients do not shrink with T."""
        temperature = self.config.logits.temperature
        teacher_BK = targets.probabilities_BK.detach().clamp_min(LEAST_PROBABILITY).log()
        return temperature**2 * softened_divergence(student.logits_BK, teacher_BK, temperature)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedLabelsTerm(Term):
    """KDAR's second part (arXiv 2501.05690): binary cross-entropy with y' = (1 - a) y + a p_T, summed over classes.

    Published for VQA; for SNLI-VE and VCR the same formula over classes and candidates. Its first part weighs the task
    loss (`weighting.task_weights`). Its a and its weight beta are tuned in the source: 0.5 and 1 are our choice.
    """

    name = "mixed_labels"

    def __call__(self, student: StudentOutputs, targets: TeacherTargets) -> Tensor:
        """Return (B,) cross-entropies in nats."""
        share = self.config.mixed_labels.share
        mixed_BK = (1 - share) * student.truth_BK + share * targets.probabilities_BK.detach()
        logits_BK = student.logits_BK.to(mixed_BK.dtype)
        return F.binary_cross_entropy_with_logits(logits_BK, mixed_BK, reduction="none").sum(-1)
