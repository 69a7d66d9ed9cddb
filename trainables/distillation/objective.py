"""What the student minimises: the one place where the task loss and the distillation terms are summed.

    L = L_task + m(progress) * mean_B( w_B * sum over terms of weight * term_B )

m is the schedule, w_B the confidence weight of an example. While a student adapts (AF-S, the first share of the
steps), a contrast over matched pairs stands in the task loss's place. Dimensions: B batch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch import nn

from trainables.config import DistillationConfig
from trainables.distillation.contrast import StudentContrast
from trainables.distillation.outputs import StudentOutputs
from trainables.distillation.outputs import TeacherTargets
from trainables.distillation.projection import initial_projection
from trainables.distillation.projection import stream
from trainables.distillation.schedule import multiplier
from trainables.distillation.terms import TERMS
from trainables.distillation.terms import Term
from trainables.distillation.terms import TokensTerm
from trainables.distillation.weighting import example_weights


class Objective(nn.Module):
    """The objective of one trial; holds the train-only projections, and nothing of the student.

    A term with weight 0 does not exist: no parameters, no random numbers. Each term draws from a stream of its own
    (`seed` and the term's name), so adding one changes neither the others nor the rest of the trial.
    """

    def __init__(self, config: DistillationConfig, student_width: int, teacher_width: int, *, seed: int) -> None:
        super().__init__()
        self.distils = config.distils
        """False if nothing needs a teacher: then no targets are read."""
        self.weighting = config.weighting
        self.terms = build_terms(config, student_width, teacher_width, seed)
        self.projections = nn.ModuleDict({term.name: term.projection for term in self.terms})
        self.adaptation_share = 0.0
        if self.distils and config.adaptation.of == "student":
            self.adaptation_share = config.adaptation.share
            self.contrast = StudentContrast(student_width, teacher_width, seed=seed)

    @property
    def generators(self) -> dict[str, torch.Generator]:
        """What terms draw from during training, by the term's name."""
        return {term.name: term.generator for term in self.terms if isinstance(term, TokensTerm)}

    def forward(
        self,
        task_loss: Tensor,
        student: StudentOutputs,
        targets: TeacherTargets | None,
        *,
        progress: float,
        student_confidence_B: Tensor | None = None,
        matched_B: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the scalar to minimise, and each term's unweighted batch mean by name, detached.

        `task_loss`: scalar, already averaged over the batch. `progress`: share of the steps done, in [0, 1].
        `student_confidence_B`: the student's probability of the ground truth, for the weightings that need it; it
        receives no gradient. `matched_B`: bool, examples whose text is true of their picture; None where all are.
        Raises ValueError where terms are on and the targets are None.
        """
        if not self.distils:
            return task_loss, {}
        if targets is None:
            raise ValueError(f"distillation.terms: {self._names()} need teacher targets, found None")
        values = {term.name: (term.weight, term(student, targets)) for term in self.terms}
        strength_B = example_weights(self.weighting, targets, student_confidence_B)
        summed_B = torch.stack([weight * value_B for weight, value_B in values.values()]).sum(0)
        distillation = multiplier(self.weighting.schedule, progress) * (strength_B * summed_B).mean()
        parts = {name: value_B.detach().mean() for name, (_, value_B) in values.items()}
        if progress >= self.adaptation_share:
            return task_loss + distillation, parts
        everyone_B = torch.ones(len(strength_B), dtype=torch.bool, device=strength_B.device)
        contrast = self.contrast(student, targets, everyone_B if matched_B is None else matched_B)
        # The head has no part in this stage, but workers wait for a gradient of each of its parameters.
        return contrast + distillation + 0.0 * task_loss, parts

    def _names(self) -> str:
        return ", ".join(term.name for term in self.terms)


def build_terms(config: DistillationConfig, student_width: int, teacher_width: int, seed: int) -> list[Term]:
    """Return the terms whose weight is above 0."""
    terms: list[Term] = []
    for kind in TERMS:
        if getattr(config.terms, kind.name) > 0:
            generator = stream(seed, kind.name)
            projection = initial_projection(student_width, teacher_width, generator)
            terms.append(kind.build(config, projection, generator))
    return terms
