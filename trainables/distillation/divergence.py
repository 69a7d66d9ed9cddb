"""How far the student's distribution is from the teacher's. Dimensions: B batch, K classes, candidates or keys."""

from __future__ import annotations

from torch import Tensor

from ablative.trainables.distillation.distance import precise


def softened_divergence(student_BK: Tensor, teacher_BK: Tensor, temperature: float) -> Tensor:
    """Return (B,) KL(softmax(teacher / T) || softmax(student / T)) of logits, in nats."""
    student_log_BK = (precise(student_BK) / temperature).log_softmax(-1)
    teacher_log_BK = (precise(teacher_BK) / temperature).log_softmax(-1)
    return (teacher_log_BK.exp() * (teacher_log_BK - student_log_BK)).sum(-1)
