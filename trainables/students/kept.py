"""A trained student as one file that executes nothing: its evaluated weights, and how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load
from safetensors.torch import save
from torch import nn

from ablative.trainables.config import StudentConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.extended import trial_config
from ablative.trainables.strangers import parsing
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import empty_student

FORMAT = 1
"""Raised when the content changes its meaning."""
_KEY = "ablative"
_TORCHS_EPS = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStudent:
    """The contents of a kept student's file."""

    trial_id: str
    seed: int
    config: TrialConfig
    classes: tuple[str, ...]
    """The head's classes, in order; empty if it scores candidates."""
    region_width: int
    norm_eps: Mapping[str, float]
    """Epsilon of the layer norms that differ from torch's default, by module."""
    tensors: Mapping[str, torch.Tensor]
    """In the precision of training; without frozen word vectors."""


def kept(
    student: StudentModule,
    *,
    trial_id: str,
    seed: int,
    config: TrialConfig,
    classes: tuple[str, ...],
    region_width: int,
) -> bytes:
    """Return the file of a trained student."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in student.state_dict().items()}
    found = KeptStudent(
        trial_id=trial_id,
        seed=seed,
        config=config,
        classes=classes,
        region_width=region_width,
        norm_eps=norm_eps(student),
        tensors=tensors,
    )
    return bytes(save(tensors, metadata=metadata_of(found)))


def about_of(found: KeptStudent) -> dict[str, Any]:
    """Return everything but the weights as JSON values."""
    return {
        "format": FORMAT,
        "trial_id": found.trial_id,
        "seed": found.seed,
        "config": found.config.model_dump(mode="json"),
        "classes": list(found.classes),
        "region_width": found.region_width,
        "norm_eps": dict(found.norm_eps),
    }


def metadata_of(found: KeptStudent) -> dict[str, str]:
    """Return the metadata of the file."""
    return {_KEY: json.dumps(about_of(found))}


def read_kept(content: bytes, place: str, catalogue: Catalogue) -> KeptStudent:
    """Return what `kept` wrote. Raises CheckpointError for any other bytes."""
    remedy = "train it again: ablate run --retrain-students"
    with parsing(f"{place}: no kept student", remedy, CheckpointError, passed=CheckpointError):
        about = json.loads(_metadata(content)[_KEY])
        if about["format"] != FORMAT:
            raise CheckpointError(f"{place}: of format {about['format']}; this version reads {FORMAT}")
        config = trial_config(catalogue).model_validate(about["config"])
        if config.task.part.refers_to_boxes and "tags" not in about["config"]["student"]:  # older than this setting
            config = config.changed(student=config.student.changed(tags="unscaled"))
        return KeptStudent(
            trial_id=about["trial_id"],
            seed=about["seed"],
            config=config,
            classes=tuple(about["classes"]),
            region_width=about["region_width"],
            norm_eps=about["norm_eps"],
            tensors=load(content),
        )


def rebuilt(found: KeptStudent) -> StudentModule:
    """Return the student in evaluation mode.

    Raises:
        CheckpointError: the weights do not fit, because the student's code has changed.
        VocabularyError: the student's vocabulary is missing.
    """
    head = found.config.task.part.head
    settings = without_weights(found.config.student)
    student = empty_student(settings, head=head, num_classes=len(found.classes), region_width=found.region_width)
    remedy = f"the code of student {settings.part.name} has changed since it was trained"
    with parsing(f"trial {found.trial_id}: the kept weights do not fit", remedy, CheckpointError):
        fixed = {name for name, _ in student.named_buffers()} - student.state_dict().keys()
        student.load_state_dict({name: value for name, value in found.tensors.items() if name not in fixed})
    set_norm_eps(student, found.norm_eps)
    return student.eval()


def without_weights(settings: StudentConfig) -> StudentConfig:
    """Return the settings without the files that weights start from: only the student's shape is needed."""
    default = type(settings).model_fields["trunk_checkpoint"].default
    return settings.changed(init="scratch", trunk_checkpoint=default)


def norm_eps(student: nn.Module) -> dict[str, float]:
    """Return the epsilon of each layer norm that differs from torch's default; published checkpoints set it."""
    norms = ((name, part) for name, part in student.named_modules() if isinstance(part, nn.LayerNorm))
    return {name: part.eps for name, part in norms if part.eps != _TORCHS_EPS}


def set_norm_eps(student: nn.Module, eps: Mapping[str, float]) -> None:
    """Give layer norms these epsilons, and all others torch's default."""
    for name, part in student.named_modules():
        if isinstance(part, nn.LayerNorm):
            part.eps = eps.get(name, _TORCHS_EPS)


def _metadata(content: bytes) -> dict[str, Any]:
    """Return the metadata in the header: JSON behind its length in eight bytes."""
    length = int.from_bytes(content[:8], "little")
    found: dict[str, Any] = json.loads(content[8 : 8 + length])["__metadata__"]
    return found
