"""The student as a whole: encoder and head. Nothing of the teacher or of distillation lives here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import torch
from torch import nn

from ablative.trainables.config import StudentConfig
from ablative.trainables.parts.part import PartError
from ablative.trainables.parts.task import Head
from ablative.trainables.students.heads import ClassifierHead
from ablative.trainables.students.heads import num_outputs
from ablative.trainables.students.heads import starting_logit

if TYPE_CHECKING:
    from ablative.trainables.students.single_stream import StudentBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentStates:
    """The output of one forward pass. B sequences, L tokens, R rows seen of the image, S width."""

    logits: torch.Tensor
    text_BLS: torch.Tensor
    """The first stands for the whole input."""
    regions_BRS: torch.Tensor
    """The first stands for the whole image."""


class StudentModule(nn.Module):
    """An encoder with the task's head on its first text state."""

    def __init__(self, encoder: Any, head: nn.Module) -> None:
        """`encoder`: a module with `width` and `forward(batch)` -> text states (B, L, S), states seen (B, R, S).

        Raises TypeError for an encoder without a width.
        """
        super().__init__()
        width = getattr(encoder, "width", None)
        if not isinstance(width, int):
            raise TypeError(f"{type(encoder).__name__}.width is {width!r}; wanted the width of its states, a number")
        self.width = width
        """Width S of the states."""
        self.encoder = encoder
        self.head = head

    def forward(self, batch: StudentBatch) -> StudentStates:
        """Logits and states of a batch."""
        text_BLS, regions_BRS = self.encoder(batch)
        return StudentStates(logits=self.head(text_BLS[:, 0]), text_BLS=text_BLS, regions_BRS=regions_BRS)

    def region_states(self, states: StudentStates, batch: StudentBatch) -> torch.Tensor:
        """Return (B, R, S) the state of each region of the batch, the whole image first.

        A student whose rows are not regions says how they make up one (`encoder.region_states`).
        """
        of_rows = getattr(self.encoder, "region_states", None)
        if of_rows is None:
            return states.regions_BRS[:, : batch.boxes_BR7.shape[1]]
        found: torch.Tensor = of_rows(states.regions_BRS, batch)
        return found

    def compile_blocks(self) -> None:
        """Let torch.compile make code for the repeated blocks, or for the whole encoder if it does not name any."""
        compile_blocks = getattr(self.encoder, "compile_blocks", self.encoder.compile)
        compile_blocks()


def build_student(config: StudentConfig, *, head: Head, num_classes: int, region_width: int) -> StudentModule:
    """A student with a fresh head, and with the weights that it starts from.

    Raises:
        CheckpointError: no checkpoint is shipped for the preset, or a file does not fit it.
        VocabularyError: the preset's words are frozen, or the file is not a vocabulary.
        PartError: the student's part does not build what it should.
    """
    student = empty_student(config, head=head, num_classes=num_classes, region_width=region_width)
    if config.part.start is not None:
        config.part.start(student, config)
    return student


def empty_student(config: StudentConfig, *, head: Head, num_classes: int, region_width: int) -> StudentModule:
    """A student of the shape that `config` gives, with fresh weights everywhere.

    Raises VocabularyError and PartError.
    """
    part = config.part
    found = part.build(config, partial(_head, head, num_classes), region_width)
    if not isinstance(found, StudentModule):
        raise PartError(
            f"{part.defined_at}: student {part.name}: build returned {type(found).__name__}; wanted a StudentModule, "
            "such as StudentModule(encoder, head(encoder.width))"
        )
    return found


def _head(head: Head, num_classes: int, width: int) -> nn.Module:
    return ClassifierHead(width, num_outputs(head, num_classes), starting_logit(head, num_classes))
