"""What the student minimises: the one place where the task loss and the distillation terms are summed.

    L = mean_B( u_B * L_task_B ) + m(progress) * mean_B( w_B * sum over terms of weight * term_B )

m is the schedule, w_B the confidence weight of an example, u_B its weight in the task loss (1 but for KDAR's). While
a student adapts (AF-S, the first share of the steps), a contrast over matched pairs stands in the task loss's place.
Dimensions: B batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch import nn

from ablative.trainables.distillation.built import build_terms
from ablative.trainables.distillation.config import Distillation
from ablative.trainables.distillation.contrast import StudentContrast
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.schedules import multiplier
from ablative.trainables.distillation.weighting import example_weights
from ablative.trainables.distillation.weighting import task_weights
from ablative.trainables.parts.term import TermSizes


class Objective(nn.Module):
    """The objective of one trial; holds what terms train or remember, and nothing of the student.

    A term with weight 0 does not exist: no parameters, no random numbers. Each term draws from a stream of its own
    (`seed` and the term's name), so adding one changes neither the others nor the rest of the trial.
    """

    def __init__(
        self,
        config: Distillation,
        student_width: int,
        teacher_width: int,
        *,
        num_examples: int,
        seed: int,
        teacher: int = 0,
    ) -> None:
        """`num_examples`: of the training subset. `teacher`: its number among several."""
        super().__init__()
        self.distils = config.distils
        """False if nothing needs a teacher: then no targets are read."""
        self.weighting = config.weighting
        sizes = TermSizes(student_width=student_width, teacher_width=teacher_width, num_examples=num_examples)
        self.terms = build_terms(config, sizes, seed, teacher)
        self.projections = nn.ModuleDict({term.name: term.module for term in self.terms})
        self.adaptation_share = 0.0
        if self.distils and config.adaptation.of == "student":
            self.adaptation_share = config.adaptation.share
            self.contrast = StudentContrast(student_width, teacher_width, seed=seed, teacher=teacher)

    @property
    def weighs_task(self) -> bool:
        """Whether the task loss is wanted example by example."""
        return self.weighting.weighs_task

    @property
    def generators(self) -> dict[str, torch.Generator]:
        """What terms draw from during training, by the term's name."""
        return {term.name: term.generator for term in self.terms if term.part.draws}

    def forward(
        self,
        task_loss: Tensor,
        student: StudentOutputs,
        targets: Any,
        *,
        progress: float,
        student_confidence_B: Tensor | None = None,
        matched_B: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the scalar to minimise, and each term's unweighted batch mean by name, detached.

        `task_loss`: scalar, already averaged over the batch; (B,) where `weighs_task`. `targets`: `TeacherTargets` of
        the batch. `progress`: share of the steps done, in [0, 1]. `student_confidence_B`: the student's probability of
        the ground truth, for the weightings that need it; it receives no gradient. `matched_B`: bool, examples whose
        text is true of their picture; None where all are. Raises ValueError where something distils and the targets
        are None.
        """
        if not self.distils:
            return task_loss, {}
        if targets is None:
            raise ValueError(f"distillation: {self._names()} need teacher targets, found None")
        if self.weighs_task:
            task_loss = (self.task_weights(targets, student_confidence_B) * task_loss).mean()
        distillation, parts = self.distillation(student, targets, progress, student_confidence_B)
        if not self.adaptation_share:
            return task_loss + distillation, parts
        # Workers wait for a gradient of every parameter, be it zero, in each stage.
        if progress >= self.adaptation_share:
            return task_loss + distillation + 0.0 * self.idle_contrast(), parts
        return self.contrasted(student, targets, matched_B) + distillation + 0.0 * task_loss, parts

    def task_weights(self, targets: Any, student_confidence_B: Tensor | None) -> Tensor:
        """Return (B,) the weight of each example in the task loss."""
        return task_weights(self.weighting, targets, student_confidence_B)

    def contrasted(self, student: StudentOutputs, targets: Any, matched_B: Tensor | None) -> Tensor:
        """Return the contrast over matched pairs, a scalar."""
        everyone_B = torch.ones(len(targets.image), dtype=torch.bool, device=targets.image.device)
        contrast: Tensor = self.contrast(student, targets, everyone_B if matched_B is None else matched_B)
        return contrast

    def idle_contrast(self) -> Tensor | float:
        """Return a scalar that every parameter of the contrast is part of."""
        return sum(p.sum() for p in self.contrast.parameters())

    def distillation(
        self, student: StudentOutputs, targets: Any, progress: float, student_confidence_B: Tensor | None
    ) -> tuple[Tensor | float, dict[str, Tensor]]:
        """Return the weighted sum of the terms, a scalar, and each term's unweighted mean by name."""
        if not self.terms:
            return 0.0, {}
        values = {term.name: (term.weight, term(student, targets)) for term in self.terms}
        strength_B = example_weights(self.weighting, targets, student_confidence_B)
        summed_B = torch.stack([weight * value_B for weight, value_B in values.values()]).sum(0)
        distillation = multiplier(self.weighting.schedule, progress) * (strength_B * summed_B).mean()
        # A NaN whose gradient is finite would pass unseen, or be seen by one worker alone: gradients are averaged.
        distillation = distillation * torch.where(distillation.detach().isfinite(), 1.0, torch.nan)
        return distillation, {name: value_B.detach().mean() for name, (_, value_B) in values.items()}

    def not_finite(self, parts: Mapping[str, float]) -> list[str]:
        """Return a phrase for each part of a loss, by name, that is NaN or infinite; a term with its place."""
        places = {term.name: f"term {term.name} ({term.part.defined_at})" for term in self.terms}
        return [f"{places.get(name, name)} is {value}" for name, value in parts.items() if not math.isfinite(value)]

    def _names(self) -> str:
        weighted = ["weighting.task"] if self.weighs_task else []
        return ", ".join([*(f"terms.{term.name}" for term in self.terms), *weighted])
