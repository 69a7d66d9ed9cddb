"""The single-stream transformers, built from their settings: UNITER, CLIP-ViL and VL-BERT."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ablative.trainables.config import StudentConfig
from ablative.trainables.students.checkpoint import read_tensors
from ablative.trainables.students.loading import LoadReport
from ablative.trainables.students.loading import fitted
from ablative.trainables.students.single_stream import SingleStream
from ablative.trainables.students.starting_files import starting_files
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import empty_student
from ablative.trainables.students.transformer_preset import TransformerPreset
from ablative.trainables.students.trunks import Trunk
from ablative.trainables.students.vl_bert import VLBert
from ablative.trainables.students.vocabulary import VocabularyError
from ablative.trainables.students.vocabulary import vocabulary_size


def transformer(
    settings: StudentConfig,
    preset: TransformerPreset,
    head: Callable[[int], nn.Module],
    region_width: int,
    *,
    trunk: Trunk | None = None,
) -> StudentModule:
    """A transformer of the shape that `preset` gives, with fresh weights. Raises VocabularyError."""
    encoder = SingleStream(
        preset,
        region_width,
        settings.dropout,
        num_words=_num_words(settings, preset),
        visual_input=settings.visual_input,
        tags=settings.part.tags(settings),
        trunk=trunk,
    )
    return StudentModule(encoder, head(encoder.width))


def vl_bert(
    settings: StudentConfig, preset: TransformerPreset, head: Callable[[int], nn.Module], region_width: int
) -> StudentModule:
    """The same in VL-BERT's layout."""
    encoder = VLBert(preset, region_width, settings.dropout, num_words=_num_words(settings, preset))
    return StudentModule(encoder, head(encoder.width))


def _num_words(settings: StudentConfig, preset: TransformerPreset) -> int:
    if preset.frozen_words and settings.vocabulary is not None:
        raise VocabularyError(
            f"student.vocabulary: {settings.preset} reads MiniLM's frozen words and takes no other vocabulary; leave "
            "it out, or use a *_base or *_large preset"
        )
    return vocabulary_size(settings.vocabulary)


def fit_of(settings: StudentConfig, region_width: int) -> LoadReport:
    """Return how the checkpoint `student.init` would fill a student without weights; trains nothing.

    Raises:
        MissingData: the file is missing.
        CheckpointError: unreadable or of unknown layout.
        VocabularyError: as `transformer`.
    """
    path = starting_files(settings)["init"]
    with torch.device("meta"):
        student = empty_student(settings, head="candidates", num_classes=0, region_width=region_width)
    report, _ = fitted(path, read_tensors(path), {name: tuple(p.shape) for name, p in student.state_dict().items()})
    return report
