"""A kept student is read as it was trained, whatever has become a setting since."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import load
from safetensors.torch import save

from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.students.kept import kept
from ablative.trainables.students.kept import read_kept
from ablative.trainables.students.kept import rebuilt
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import empty_student

WIDTH = 24


def _kept(config: TrialConfig) -> bytes:
    head = config.task.part.head
    student = empty_student(config.student, head=head, num_classes=3, region_width=WIDTH)
    return kept(student, trial_id="t", seed=1, config=config, classes=("a", "b", "c"), region_width=WIDTH)


def _older(content: bytes) -> bytes:
    """The file as it was written before there was `student.tags`."""
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    (key,) = metadata
    about = json.loads(metadata[key])
    del about["config"]["student"]["tags"]
    return bytes(save(load(content), metadata={key: json.dumps(about)}))


def _tags(student: StudentModule) -> object:
    return student.encoder.text_embedding.tags  # type: ignore[union-attr]


@pytest.mark.parametrize(("task", "now", "then"), [("vcr", "scaled", "unscaled"), ("snli_ve", "scaled", "scaled")])
def test_students_kept_before_tags_were_scaled_are_read_as_they_were_trained(task: str, now: str, then: str) -> None:
    content = _kept(canonical(TrialConfig.model_validate({"task": {"name": task}, "student": {"init": "scratch"}})))
    assert _tags(rebuilt(read_kept(content, "here", bundled()))) == now
    assert _tags(rebuilt(read_kept(_older(content), "here", bundled()))) == then
