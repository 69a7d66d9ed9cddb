"""Terms on the classes of the task: the teacher's probabilities, beside the labels.

The teacher has no head for these tasks. Its probabilities come from the cross-fitted probe, or from its cosines with
VCR's candidates (`ablative.trainables.teachers.confidence`).

Dimensions: B batch, K classes or candidates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ablative.trainables.parts.part import Options
from ablative.trainables.parts.term import Term
from ablative.trainables.settings import Temperature

if TYPE_CHECKING:
    from torch import Tensor

    from ablative.trainables.distillation.built import BuiltTerm
    from ablative.trainables.distillation.outputs import StudentOutputs
    from ablative.trainables.distillation.outputs import TeacherOutputs


class LogitsOptions(Options):
    """Options of `logits`."""

    temperature: Temperature = Field(4.0, description="T of both softmaxes in `logits`.")


def logits(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """Hinton's distillation (arXiv 1503.02531): T^2 KL(softmax(z_T / T) || softmax(z_S / T)), in nats.

    z_T are the logarithms of the teacher's probabilities. z_S are the student's log-odds of each class, or in VCR of a
    match with each candidate. The factor T^2 keeps gradients from shrinking with T. RepDistiller weighs the task by
    0.1 and this by 0.9; here the task loss stays at 1.
    """
    from ablative.trainables.distillation.confidence import LEAST_PROBABILITY
    from ablative.trainables.distillation.divergence import softened_divergence

    temperature = term.options.temperature
    teacher_BK = teacher.probabilities.clamp_min(LEAST_PROBABILITY).log()
    return temperature**2 * softened_divergence(student.logits, teacher_BK, temperature)


class MixedLabelsOptions(Options):
    """Options of `mixed_labels`."""

    share: float = Field(0.5, ge=0, le=1, description="Share a of the teacher in the labels of `mixed_labels`.")


def mixed_labels(student: StudentOutputs, teacher: TeacherOutputs, term: BuiltTerm) -> Tensor:
    """KDAR's second part (arXiv 2501.05690): binary cross-entropy with y' = (1 - a) y + a p_T, summed over classes.

    Published for VQA. For SNLI-VE and VCR this is the same formula over classes and candidates. Its first part weighs
    the task loss (`weightings.TASK_WEIGHTINGS`). Its a and its weight beta are tuned in the source: 0.5 and 1 are our
    choice.
    """
    from torch.nn import functional as F

    share = term.options.share
    mixed_BK = (1 - share) * student.truth + share * teacher.probabilities
    logits_BK = student.logits.to(mixed_BK.dtype)
    return F.binary_cross_entropy_with_logits(logits_BK, mixed_BK, reduction="none").sum(-1)


PARTS = [
    Term(
        name="logits",
        description="Softened class probabilities of the teacher (Hinton).",
        alone=True,
        options=LogitsOptions,
        reads=("student.logits", "teacher.probabilities"),
        weight=0.9,
        loss=logits,
    ),
    Term(
        name="mixed_labels",
        description="Labels mixed with the teacher's probabilities (KDAR).",
        alone=True,
        options=MixedLabelsOptions,
        reads=("student.logits", "student.truth", "teacher.probabilities"),
        loss=mixed_labels,
    ),
]
