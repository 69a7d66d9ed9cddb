"""One training step: student and objective as a single module, so that DDP sees every trained parameter.

Dimensions: B examples, C candidates, L tokens, N words, R regions, S student width.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from ablative.trainables.config import OptimConfig
from ablative.trainables.distillation.confidence import truth_probability
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.distillation.objective import Summands
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.parts.task import Head
from ablative.trainables.parts.task import RankedBy
from ablative.trainables.parts.task import Task
from ablative.trainables.students.heads import log_odds
from ablative.trainables.students.heads import probabilities
from ablative.trainables.students.heads import task_loss
from ablative.trainables.students.heads import task_losses
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import StudentStates
from ablative.trainables.training.adversarial import adversarial_loss
from ablative.trainables.training.inputs import Batch

Side = Callable[[Batch, StudentStates, Summands], torch.Tensor]
"""A scalar of one forward pass."""


class TrainingStep(nn.Module):
    """Student and objective; only the student is kept afterwards."""

    def __init__(
        self,
        task: Task,
        student: StudentModule,
        objective: Objective,
        *,
        optim: OptimConfig | None = None,
        ranked_by: RankedBy = "match_odds",
    ) -> None:
        """`optim`: label smoothing and adversarial training enter the loss.

        `ranked_by`: the student's confidence in a candidate.
        """
        super().__init__()
        self.task = task
        self.optim = optim or OptimConfig()
        self.ranked_by = ranked_by
        self.student = student
        self.objective = objective

    def forward(
        self, batch: Batch, teachers: Sequence[TeacherOutputs], progress: float, side: Side | None = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The scalar to minimise, and its parts by name, detached. `teachers`: each teacher's outputs for the batch.

        With a `side`, only that part of the loss, without parts.
        """
        states, found = self.summands(batch, teachers, progress)
        if side is not None:
            return side(batch, states, found), {}
        total, parts = found.total, found.parts
        if self.optim.adversarial.steps:
            disturbed = self.disturbed(batch, states)
            total, parts = total + disturbed, {**parts, "adversarial": disturbed.detach()}
        return total, parts

    def summands(
        self, batch: Batch, teachers: Sequence[TeacherOutputs], progress: float
    ) -> tuple[StudentStates, Summands]:
        """The student's states, then task and distillation separately, without the adversarial loss."""
        states = self.student(batch.inputs)
        of_batch = task_losses if self.objective.weighs_task else task_loss
        loss = of_batch(self.task.head, states.logits, batch.targets_BK, self.optim.label_smoothing)
        outputs, confidence_B = None, None
        if self.objective.distils:
            num_words = teachers[0].word_mask.shape[1] if teachers else 1
            num_regions = teachers[0].regions.shape[1] if teachers else 0
            if num_regions:
                states = replace(states, regions_BRS=self.student.region_states(states, batch.inputs))
            every = self.objective.every_candidate
            outputs = distilled_outputs(
                self.task.head, states, batch, num_words=num_words, num_regions=num_regions, every_candidate=every
            )
            with torch.no_grad():
                num_candidates = len(batch.words) // len(batch.indices)
                truth = probabilities(self.task.head, states.logits.detach().float(), num_candidates, self.ranked_by)
                confidence_B = truth_probability(truth, batch.targets_BK)
                if every:
                    confidence_B = confidence_B.repeat_interleave(num_candidates)
        found = self.objective.summands(
            loss,
            outputs,
            teachers,
            progress=progress,
            student_confidence_B=confidence_B,
            matched_B=self._matched(batch.targets_BK),
        )
        return states, replace(found, parts={"task": loss.detach().mean(), **found.parts})

    def _matched(self, targets_BK: torch.Tensor) -> torch.Tensor | None:
        if self.task.head == "candidates" and self.objective.every_candidate:
            return targets_BK.flatten() > 0
        matched = self.task.matched_class
        return None if matched is None else targets_BK.argmax(dim=-1) == matched

    def disturbed(self, batch: Batch, clean: StudentStates) -> torch.Tensor:
        """The adversarial loss, a scalar, given the states of the unperturbed batch."""

        def odds(logits: torch.Tensor) -> torch.Tensor:
            found = log_odds(self.task.head, logits, len(batch.words) // len(batch.indices))
            return found.reshape(len(batch.words), -1)  # each candidate is one sequence with one decision

        def judged(inputs: StudentBatch) -> tuple[torch.Tensor, torch.Tensor]:
            logits = self.student(inputs).logits
            loss = task_loss(self.task.head, logits, batch.targets_BK, self.optim.label_smoothing)
            return loss, odds(logits)

        return adversarial_loss(self.optim.adversarial, judged, batch.inputs, odds(clean.logits), self.student.width)


def distilled_outputs(
    head: Head,
    states: StudentStates,
    batch: Batch,
    *,
    num_words: int,
    num_regions: int = 0,
    every_candidate: bool = False,
) -> StudentOutputs:
    """The states that are distilled: those of the right candidate's sequence, or of every candidate's, side by side.

    With every candidate, log-odds and truth of an example are repeated for each of its sequences.
    """
    num_candidates = len(batch.words) // len(batch.indices)
    text_BLS, regions_BRS, words_BL = states.text_BLS, states.regions_BRS, batch.words
    odds, truth = log_odds(head, states.logits, num_candidates), batch.targets_BK
    if every_candidate:
        odds, truth = (of.repeat_interleave(num_candidates, dim=0) for of in (odds, truth))
    elif num_candidates > 1:
        rows_B = torch.arange(len(batch.indices), device=words_BL.device) * num_candidates
        rows_B = rows_B + batch.targets_BK.argmax(dim=-1)
        text_BLS, regions_BRS, words_BL = text_BLS[rows_B], regions_BRS[rows_B], words_BL[rows_B]
    return StudentOutputs(
        cls=text_BLS[:, 0],
        image=regions_BRS[:, 0],
        words=word_states(text_BLS, words_BL, num_words),
        logits=odds,
        truth=truth,
        regions=_fitted(regions_BRS[:, 1:], num_regions),
    )


def _fitted(rows_BRS: torch.Tensor, count: int) -> torch.Tensor:
    """(B, count, S) the first rows, zeros where there are none: of a student that is shown no picture, say."""
    kept_BRS = rows_BRS[:, :count]
    return torch.nn.functional.pad(kept_BRS, (0, 0, 0, count - kept_BRS.shape[1]))


def word_states(text_BLS: torch.Tensor, words_BL: torch.Tensor, num_words: int) -> torch.Tensor:
    """(B, N, S) mean state of each word's tokens, N = `num_words`; zero for a word that was cut off."""
    places = torch.arange(num_words, device=words_BL.device)
    member_BLN = (words_BL.unsqueeze(-1) == places).to(text_BLS.dtype)
    counts_BN1 = member_BLN.sum(dim=1).clamp_min(1).unsqueeze(-1)
    return torch.einsum("bln,bls->bns", member_BLN, text_BLS) / counts_BN1
