"""The objective of a student that has several teachers: every term is summed over them, each with its weight.

    L = mean_B( sum_k s_k u_kB * L_task_B )
        + m(progress) * sum_k v_k mean_B( w_kB * sum over terms of weight * term_kB )

v_k is the weight of teacher k and s_k its share of all weights. What is said of one teacher in
`ablative.trainables.distillation.objective` holds for each: it has projections and random streams of its own, and it
is confident, or not, by itself. Dimensions: B batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import nn

from ablative.trainables.distillation.config import Distillation
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherTargets

OfEach = Sequence[TeacherTargets]
"""Targets of each teacher, in their order."""


class SeveralTeachers(Objective):
    """The objective of one trial with several teachers."""

    def __init__(
        self,
        config: Distillation,
        student_width: int,
        teachers: Sequence[tuple[int, float]],
        *,
        num_examples: int,
        seed: int,
    ) -> None:
        """`teachers`: width and weight of each; with one of weight 1 the objective is that of the one, bit for bit."""
        nn.Module.__init__(self)
        self.of_each = nn.ModuleList(
            Objective(config, student_width, width, num_examples=num_examples, seed=seed, teacher=number)
            for number, (width, _) in enumerate(teachers)
        )
        first = self._objectives[0]
        self.distils, self.weighting, self.terms = first.distils, first.weighting, first.terms
        self.adaptation_share = first.adaptation_share
        self.weights = [weight for _, weight in teachers]

    @property
    def _objectives(self) -> list[Objective]:
        return [one for one in self.of_each if isinstance(one, Objective)]

    @property
    def generators(self) -> dict[str, torch.Generator]:
        """What terms draw from during training, by the term's name and the teacher's number."""
        each = enumerate(one.generators for one in self._objectives)
        return {f"{name}/{number}": made for number, found in each for name, made in found.items()}

    def task_weights(self, targets: OfEach, student_confidence_B: Tensor | None) -> Tensor:
        """Return (B,) the weight of each example in the task loss: the teachers' mean."""
        found = [one.task_weights(of, student_confidence_B) for one, of in self._with(targets)]
        return self._mean(found)

    def contrasted(self, student: StudentOutputs, targets: OfEach, matched_B: Tensor | None) -> Tensor:
        """Return the contrast over matched pairs, a scalar: the teachers' mean."""
        return self._mean([one.contrasted(student, of, matched_B) for one, of in self._with(targets)])

    def idle_contrast(self) -> Tensor | float:
        """Return a scalar that every parameter of the contrasts is part of."""
        return sum(one.idle_contrast() for one in self._objectives)

    def distillation(
        self, student: StudentOutputs, targets: OfEach, progress: float, student_confidence_B: Tensor | None
    ) -> tuple[Tensor | float, dict[str, Tensor]]:
        """Return the weighted sum over teachers and terms, a scalar, and each term's sum over teachers by name."""
        total: Tensor | float = 0.0
        parts: dict[str, Tensor] = {}
        for weight, (one, of) in zip(self.weights, self._with(targets), strict=True):
            value, found = one.distillation(student, of, progress, student_confidence_B)
            total = total + weight * value
            parts = {name: parts.get(name, 0.0) + weight * mean for name, mean in found.items()}
        return total, parts

    def _with(self, targets: OfEach) -> list[tuple[Objective, TeacherTargets]]:
        return list(zip(self._objectives, targets, strict=True))

    def _mean(self, values: Sequence[Tensor]) -> Tensor:
        shares = (weight / sum(self.weights) for weight in self.weights)
        return torch.stack([share * value for share, value in zip(shares, values, strict=True)]).sum(0)
