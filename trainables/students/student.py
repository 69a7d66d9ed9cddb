"""The student as a whole: encoder and head. Nothing of the teacher or of distillation lives here."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from trainables.config import StudentConfig
from trainables.students.checkpoint import load_encoder
from trainables.students.heads import ClassifierHead
from trainables.students.heads import num_outputs
from trainables.students.heads import starting_logit
from trainables.students.presets import PRESETS
from trainables.students.single_stream import SingleStream
from trainables.students.single_stream import StudentBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentStates:
    """What one forward pass gives. B sequences, L tokens, R regions, S width."""

    logits: torch.Tensor
    text_BLS: torch.Tensor
    regions_BRS: torch.Tensor


class Student(nn.Module):
    """Single-stream encoder with a classifier on the [CLS] state."""

    def __init__(self, encoder: SingleStream, head: ClassifierHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    @property
    def width(self) -> int:
        """Width S of the states."""
        return self.encoder.width

    def forward(self, batch: StudentBatch) -> StudentStates:
        """Logits and states of a batch."""
        text_BLS, regions_BRS = self.encoder(batch)
        return StudentStates(logits=self.head(text_BLS[:, 0]), text_BLS=text_BLS, regions_BRS=regions_BRS)


def build_student(config: StudentConfig, *, task: str, num_classes: int, region_width: int) -> Student:
    """A student with a fresh head; its encoder is fresh (`scratch`), shipped (`pretrained`) or read from a path.

    Raises:
        CheckpointError: no checkpoint is shipped for the preset, or the file does not fit it.
    """
    preset = PRESETS[config.preset]
    encoder = SingleStream(preset, region_width, config.dropout)
    head = ClassifierHead(preset.width, num_outputs(task, num_classes), starting_logit(task, num_classes))
    if config.init != "scratch":
        load_encoder(encoder, config.preset, config.init)
    return Student(encoder, head)
