"""How strongly an example counts: the tables of `distillation.weighting.confidence` and `distillation.weighting.task`.

With c_T and c_S the probability that teacher and student give to the ground truth (docs/method.md, "Confidence"):

    none           1
    teacher        c_T                        W1
    ratio          c_T / (c_T + c_S)          W2
    sigmoid        sigmoid((c_T - c_S) / tau) W3
    exp_ce         exp(-CE_T)                 W4, differs from W1 only where the target is soft (VQA)
    clipped_ratio  min(c_T / c_S, w_max)      W5
    correct        1 where teacher is right   W6

KDAR (arXiv 2501.05690) weighs the task loss instead, by 1 - exp(-log c_T / log c_S). Imports no torch; (B,) tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import Protocol
from typing import TypeAlias

from ablative.trainables.distillation.choice import Choice
from ablative.trainables.distillation.choice import table

if TYPE_CHECKING:
    from torch import Tensor

    from ablative.trainables.distillation.outputs import TeacherOutputs

LEAST_DIVISOR = 1e-6
"""Lower bound of confidences in a denominator: a student sure of a wrong answer must not give infinity."""


class Limits(Protocol):
    """Settings of `distillation.weighting` that some weightings read."""

    @property
    def temperature(self) -> float:
        """tau of `sigmoid`."""

    @property
    def max_weight(self) -> float:
        """w_max of `clipped_ratio`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighting(Choice):
    """A weight of each example."""

    weight: Callable[[TeacherOutputs, Any, Limits], Tensor] | None = None
    """(teacher, c_S, limits) -> (B,), at least 0; None: every example weighs 1."""
    compares: bool = False
    """Whether it reads c_S, which is None elsewhere."""
    reads: tuple[Literal["temperature", "max_weight"], ...] = ()
    """Which of the limits it reads."""


def _teacher(teacher: TeacherOutputs, student_B: None, limits: Limits) -> Tensor:
    return teacher.confidence


def _ratio(teacher: TeacherOutputs, student_B: Tensor, limits: Limits) -> Tensor:
    return teacher.confidence / (teacher.confidence + student_B).clamp_min(LEAST_DIVISOR)


def _sigmoid(teacher: TeacherOutputs, student_B: Tensor, limits: Limits) -> Tensor:
    return ((teacher.confidence - student_B) / limits.temperature).sigmoid()


def _exp_ce(teacher: TeacherOutputs, student_B: None, limits: Limits) -> Tensor:
    return (-teacher.cross_entropy).exp()


def _clipped_ratio(teacher: TeacherOutputs, student_B: Tensor, limits: Limits) -> Tensor:
    return (teacher.confidence / student_B.clamp_min(LEAST_DIVISOR)).clamp_max(limits.max_weight)


def _correct(teacher: TeacherOutputs, student_B: None, limits: Limits) -> Tensor:
    return teacher.correct


def _kdar(teacher: TeacherOutputs, student_B: Tensor, limits: Limits) -> Tensor:
    """In [0, 1]: near 0 where the teacher is much surer of the truth than the student, near 1 where the student is."""
    return -(-_surprise(teacher.confidence) / _surprise(student_B).clamp_min(LEAST_DIVISOR)).expm1()


def _surprise(confidence_B: Tensor) -> Tensor:
    from ablative.trainables.distillation.confidence import LEAST_PROBABILITY

    return -confidence_B.clamp(LEAST_PROBABILITY, 1.0).log()


WEIGHTINGS = table(
    Weighting(name="none", description="every example alike"),
    Weighting(name="teacher", description="the teacher's confidence (W1)", weight=_teacher),
    Weighting(name="ratio", description="the teacher's share of both (W2)", weight=_ratio, compares=True),
    Weighting(
        name="sigmoid",
        description="sigmoid of their difference (W3)",
        weight=_sigmoid,
        compares=True,
        reads=("temperature",),
    ),
    Weighting(name="exp_ce", description="exp of minus the teacher's cross-entropy (W4)", weight=_exp_ce),
    Weighting(
        name="clipped_ratio",
        description="teacher by student, clipped (W5)",
        weight=_clipped_ratio,
        compares=True,
        reads=("max_weight",),
    ),
    Weighting(name="correct", description="1 where the teacher is right, else 0 (W6)", weight=_correct),
)
TASK_WEIGHTINGS = table(
    Weighting(name="none", description="every example alike"),
    Weighting(name="kdar", description="less where the teacher is the surer one (KDAR)", weight=_kdar, compares=True),
)

if TYPE_CHECKING:
    WeightingName: TypeAlias = str
    TaskWeightingName: TypeAlias = str
else:
    WeightingName = Literal[tuple(WEIGHTINGS)]
    TaskWeightingName = Literal[tuple(TASK_WEIGHTINGS)]
