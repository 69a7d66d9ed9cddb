"""What the student minimises: the one place where the task loss and the distillation terms are summed.

    L = mean_B( sum_k s_k u_kB * L_task_B )
        + m(progress) * sum_k v_k mean_B( w_kB * sum over terms of weight * term_kB )

k counts the teachers; v_k is a teacher's weight and s_k its share of all weights. m is the schedule, w_kB an example's
confidence weight, and u_kB its weight in the task loss (1 unless KDAR's). While a student adapts (AF-S, the first
share of the steps), a contrast over matched pairs replaces the task loss. With `distillation.weighting.unit: gradient`
each term has a further factor (`training.gradients`). Dimensions: B batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import nn

from ablative.trainables.distillation.built import build_terms
from ablative.trainables.distillation.config import Distillation
from ablative.trainables.distillation.contrast import StudentContrast
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.distillation.projection import shared_projection
from ablative.trainables.distillation.schedules import multiplier
from ablative.trainables.distillation.weighting import example_weights
from ablative.trainables.distillation.weighting import task_weights
from ablative.trainables.parts.term import TermSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Distilled:
    """The losses of one teacher's terms on a batch."""

    values: Mapping[str, Tensor]
    """(B,) the unweighted loss of each example, by the term's name."""
    strength_B: Tensor
    """Confidence weight of each example."""

    def mean(self, weights: Mapping[str, float | Tensor]) -> Tensor:
        """Return the mean over the batch of the terms in `weights`, a scalar."""
        summed_B = torch.stack([weight * self.values[name] for name, weight in weights.items()]).sum(0)
        return (self.strength_B * summed_B).mean()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summands:
    """The two sides of an objective, and their parts."""

    task: Tensor
    """The task loss, or the contrast that replaces it: a scalar."""
    distillation: Tensor | None
    """The weighted terms: a scalar; None without terms."""
    parts: dict[str, Tensor]
    """The unweighted batch mean of each term by name, detached."""
    distilled: tuple[Distilled, ...] = ()
    """Of each teacher that has terms."""

    @property
    def total(self) -> Tensor:
        """The scalar to minimise."""
        return self.task if self.distillation is None else self.task + self.distillation


class FromTeacher(nn.Module):
    """The distillation from one teacher. Holds all that its terms train or remember, and nothing of the student.

    A term with weight 0 does not exist: no parameters, no random numbers. Each term draws from its own stream (`seed`,
    the term's name and the teacher's number), so adding a term changes nothing else in the trial.
    """

    scales: Tensor
    """(terms,) factor of each term's weight, if weights are in units of the gradient."""

    def __init__(
        self, config: Distillation, student_width: int, width: int, *, num_examples: int, seed: int, number: int
    ) -> None:
        """`width` and `number`: the teacher's. `num_examples`: of the training subset."""
        super().__init__()
        self.weighting = config.weighting
        shared = shared_projection(config, student_width, width, seed, number)
        sizes = TermSizes(student_width=student_width, teacher_width=width, num_examples=num_examples, shared=shared)
        self.terms = build_terms(config, sizes, seed, number)
        self.projections = nn.ModuleDict({term.name: term.module for term in self.terms})
        if self.weighting.unit == "gradient":
            self.register_buffer("scales", torch.ones(len(self.terms)))
        if config.distils and config.adaptation.of == "student":
            self.contrast = StudentContrast(student_width, width, seed=seed, teacher=number, shared=shared)

    @property
    def generators(self) -> dict[str, torch.Generator]:
        """The generators from which terms draw during training, by term."""
        return {term.name: term.generator for term in self.terms if term.part.draws}

    def task_weights(self, teacher: TeacherOutputs, student_confidence_B: Tensor | None) -> Tensor:
        """Return (B,) the weight of each example in the task loss."""
        return task_weights(self.weighting, teacher, student_confidence_B)

    def contrasted(self, student: StudentOutputs, teacher: TeacherOutputs, matched_B: Tensor | None) -> Tensor:
        """Return the contrast over matched pairs, a scalar."""
        everyone_B = torch.ones(len(teacher.image), dtype=torch.bool, device=teacher.image.device)
        contrast: Tensor = self.contrast(student, teacher, everyone_B if matched_B is None else matched_B)
        return contrast

    @property
    def weights(self) -> dict[str, float | Tensor]:
        """Present factor of each term by name."""
        if self.weighting.unit == "loss":
            return {term.name: term.weight for term in self.terms}
        return {term.name: term.weight * scale for term, scale in zip(self.terms, self.scales, strict=True)}

    def distilled(
        self, student: StudentOutputs, teacher: TeacherOutputs, student_confidence_B: Tensor | None
    ) -> Distilled:
        """Return the losses of the terms; there must be at least one."""
        values = {term.name: term(student, teacher) for term in self.terms}
        return Distilled(values=values, strength_B=example_weights(self.weighting, teacher, student_confidence_B))

    def distillation(self, distilled: Distilled, progress: float) -> Tensor:
        """Return the weighted sum of the terms, a scalar."""
        distillation = multiplier(self.weighting.schedule, progress) * distilled.mean(self.weights)
        # Gradients are averaged, so a NaN with a finite gradient would go unnoticed, or only one worker would see it.
        return distillation * torch.where(distillation.detach().isfinite(), 1.0, torch.nan)


class Objective(nn.Module):
    """The objective of one trial."""

    def __init__(
        self,
        config: Distillation,
        student_width: int,
        teachers: Sequence[tuple[int, float]],
        *,
        num_examples: int,
        seed: int,
    ) -> None:
        """`teachers`: width and weight of each; may be empty if nothing distils. `num_examples`: of the training
        subset."""
        super().__init__()
        self.distils = config.distils
        """Whether anything needs a teacher; if not, none is read."""
        self.weighting = config.weighting
        self.every_candidate = config.candidates == "all"
        """Whether all sequences of a question are distilled, so that an example has several rows."""
        self.weights = [weight for _, weight in teachers]
        self.of_each = nn.ModuleList(
            FromTeacher(config, student_width, width, num_examples=num_examples, seed=seed, number=number)
            for number, (width, _) in enumerate(teachers)
        )
        adapts = self.distils and config.adaptation.of == "student"
        self.adaptation_share = config.adaptation.share if adapts else 0.0

    @property
    def teachers(self) -> list[FromTeacher]:
        """The distillation from each teacher, in order."""
        return [one for one in self.of_each if isinstance(one, FromTeacher)]

    @property
    def has_terms(self) -> bool:
        """Whether any term is on."""
        return any(one.terms for one in self.teachers)

    @property
    def weighs_task(self) -> bool:
        """Whether it needs the task loss of each example."""
        return self.weighting.weighs_task

    @property
    def generators(self) -> dict[str, torch.Generator]:
        """The generators from which terms draw during training, by term and teacher number."""
        each = enumerate(one.generators for one in self.teachers)
        return {f"{name}/{number}": made for number, found in each for name, made in found.items()}

    def forward(
        self,
        task_loss: Tensor,
        student: StudentOutputs,
        teachers: Sequence[TeacherOutputs],
        *,
        progress: float,
        student_confidence_B: Tensor | None = None,
        matched_B: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the scalar to minimise, and the unweighted batch mean of each term, summed over the teachers by their
        weights, by name and detached; arguments and errors as of `summands`."""
        found = self.summands(
            task_loss,
            student,
            teachers,
            progress=progress,
            student_confidence_B=student_confidence_B,
            matched_B=matched_B,
        )
        return found.total, found.parts

    def summands(
        self,
        task_loss: Tensor,
        student: StudentOutputs | None,
        teachers: Sequence[TeacherOutputs],
        *,
        progress: float,
        student_confidence_B: Tensor | None = None,
        matched_B: Tensor | None = None,
    ) -> Summands:
        """Return the two sides of the loss, task and distillation.

        `task_loss`: scalar, already averaged over the batch; (B,) where `weighs_task`. `teachers`: the outputs of each
        for the batch. `progress`: share of the steps done, in [0, 1]. `student_confidence_B`: the student's
        probability of the ground truth, for the weightings that need it; it receives no gradient. `matched_B`: bool,
        examples whose text is true of their picture; None if all are. Raises ValueError if something distils and a
        teacher's output is missing.
        """
        if not self.distils or student is None:
            return Summands(task=task_loss, distillation=None, parts={})
        if not teachers or len(teachers) != len(self.of_each):
            wanted = f"the outputs of {len(self.of_each)} teachers"
            raise ValueError(f"distillation: {self._names()} need {wanted}, found {len(teachers)}")
        pairs = list(zip(self.teachers, teachers, strict=True))
        if self.weighs_task:
            weights_B = self._mean([one.task_weights(said, student_confidence_B) for one, said in pairs])
            task_loss = (weights_B.view(len(task_loss), -1)[:, 0] * task_loss).mean()  # alike for its candidates
        distillation: Tensor | None = None
        parts: dict[str, Tensor] = {}
        all_distilled = []
        for weight, (one, said) in zip(self.weights, pairs, strict=True) if self.has_terms else ():
            distilled = one.distilled(student, said, student_confidence_B)
            value = weight * one.distillation(distilled, progress)
            distillation = value if distillation is None else distillation + value
            means = {name: value_B.detach().mean() for name, value_B in distilled.values.items()}
            parts = {name: parts.get(name, 0.0) + weight * mean for name, mean in means.items()}
            all_distilled.append(distilled)
        task = task_loss
        if self.adaptation_share:  # workers wait for a gradient of every parameter in each stage, even if it is zero
            if progress >= self.adaptation_share:
                task = task_loss + 0.0 * sum(p.sum() for one in self.teachers for p in one.contrast.parameters())
            else:
                contrast = self._mean([one.contrasted(student, said, matched_B) for one, said in pairs])
                task = contrast + 0.0 * task_loss
        return Summands(task=task, distillation=distillation, parts=parts, distilled=tuple(all_distilled))

    def not_finite(self, parts: Mapping[str, float]) -> list[str]:
        """Return a phrase for each part of a loss that is NaN or infinite, by name; for a term with file and line."""
        terms = [term for one in self.teachers for term in one.terms]
        places = {term.name: f"term {term.name} ({term.part.defined_at})" for term in terms}
        return [f"{places.get(name, name)} is {value}" for name, value in parts.items() if not math.isfinite(value)]

    def _mean(self, values: Sequence[Tensor]) -> Tensor:
        shares = (weight / sum(self.weights) for weight in self.weights)
        return torch.stack([share * value for share, value in zip(shares, values, strict=True)]).sum(0)

    def _names(self) -> str:
        weighted = ["weighting.task"] if self.weighs_task else []
        terms = dict.fromkeys(term.name for one in self.teachers for term in one.terms)
        return ", ".join([*(f"terms.{name}" for name in terms), *weighted])
