"""The student as a whole: encoder and head. Nothing of the teacher or of distillation lives here."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ablative.trainables.config import StudentConfig
from ablative.trainables.students.checkpoint import read_tensors
from ablative.trainables.students.heads import ClassifierHead
from ablative.trainables.students.heads import num_outputs
from ablative.trainables.students.heads import starting_logit
from ablative.trainables.students.loading import LoadReport
from ablative.trainables.students.loading import fitted
from ablative.trainables.students.loading import load_student
from ablative.trainables.students.presets import PRESETS
from ablative.trainables.students.presets import existing_checkpoint
from ablative.trainables.students.single_stream import SingleStream
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.trunks import Trunk
from ablative.trainables.students.trunks import bundled_trunk
from ablative.trainables.students.trunks import open_clip_trunk
from ablative.trainables.students.vocabulary import VocabularyError
from ablative.trainables.students.vocabulary import vocabulary_size


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

    A trunk has the weights that its preset says, whatever the encoder starts from.

    Raises:
        CheckpointError: no checkpoint is shipped for the preset, or a file does not fit it.
        VocabularyError: the preset's words are frozen, or the file is no vocabulary.
    """
    student = empty_student(
        config, task=task, num_classes=num_classes, region_width=region_width, trunk=_trunk(config)
    )
    if config.init != "scratch":
        load_student(student, config.preset, config.init)
    return student


def empty_student(
    config: StudentConfig, *, task: str, num_classes: int, region_width: int, trunk: Trunk | None = None
) -> Student:
    """A student of the shape that `config` says, with fresh weights all over. Raises VocabularyError."""
    preset = PRESETS[config.preset]
    if preset.frozen_words and config.vocabulary is not None:
        raise VocabularyError(
            f"student.vocabulary: {config.preset} reads MiniLM's frozen words and takes no other vocabulary; leave "
            "it out, or use a *_base or *_large preset"
        )
    encoder = SingleStream(
        preset,
        region_width,
        config.dropout,
        num_words=vocabulary_size(config.vocabulary),
        visual_input=config.visual_input,
        trunk=trunk,
    )
    return Student(
        encoder, ClassifierHead(preset.width, num_outputs(task, num_classes), starting_logit(task, num_classes))
    )


def checked(config: StudentConfig, region_width: int) -> LoadReport:
    """What of the checkpoint `config.init` becomes what of a student that has no weights yet; nothing is trained.

    Raises:
        MissingData: there is no such file.
        CheckpointError: unreadable or of no known layout.
        VocabularyError: as `build_student`.
    """
    path = existing_checkpoint(config.preset, config.init)
    with torch.device("meta"):
        student = empty_student(config, task="vcr", num_classes=0, region_width=region_width)
    report, _ = fitted(path, read_tensors(path), {name: tuple(p.shape) for name, p in student.state_dict().items()})
    return report


def _trunk(config: StudentConfig) -> Trunk | None:
    kind = PRESETS[config.preset].trunk
    if kind is None:
        return None
    return bundled_trunk() if kind == "bundled" else open_clip_trunk(config)
