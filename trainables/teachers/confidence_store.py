"""The teacher's confidence on disk: a probe is fitted once, however many arms distil the same examples.

Beside the teacher's features, `confidence/<key>.npz`. The key covers all that decides the numbers, down to the
threads, which change float sums; an arm that has adapted the teacher has a key of its own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from dataclasses import fields
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ablative.trainables.cache import written_whole
from ablative.trainables.config import IDENTITY_VERSION
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.confidence import FOLDS
from ablative.trainables.teachers.confidence import ITERATIONS
from ablative.trainables.teachers.confidence import PENALTY
from ablative.trainables.teachers.confidence import TeacherConfidence
from ablative.trainables.teachers.confidence import teacher_confidence
from ablative.trainables.teachers.feature_cache import TeacherFeatures


def stored_confidence(
    split: TaskSplit, features: TeacherFeatures, *, seed: int, probabilities: bool
) -> TeacherConfidence:
    """Return what `teacher_confidence` gives, bit for bit, from disk where an earlier trial has computed it.

    `probabilities`: those of every class too, which take gigabytes for VQA v2; else their array has no columns.
    """
    key = _key(split, features, seed, probabilities)
    path = features.images.folder.parent / "confidence" / f"{key}.npz"
    if path.is_file():
        with np.load(path) as arrays:
            return TeacherConfidence(**arrays)
    confidence = teacher_confidence(split, features, seed=seed)
    if not probabilities:
        confidence = replace(confidence, probabilities=confidence.probabilities[:, :0])
    _write(path, confidence)
    return confidence


def _key(split: TaskSplit, features: TeacherFeatures, seed: int, probabilities: bool) -> str:
    settings = [IDENTITY_VERSION, FOLDS, PENALTY, ITERATIONS, torch.__version__, torch.get_num_threads(), seed]
    kept = [field.name for field in fields(TeacherConfidence)] + ["of every class"] * probabilities
    digest = hashlib.sha256(json.dumps([*settings, kept, split.task.name, split.classes, features.blank]).encode())
    if features.heads is not None:
        digest.update(features.heads.image.tobytes() + features.heads.text.tobytes())
    for example in split.examples:
        digest.update(_judged(example, features).encode())
    return digest.hexdigest()[:24]


def _judged(example: Example, features: TeacherFeatures) -> str:
    """What the teacher is asked about an example: the picture, the texts, the truth; folds go by the image's name."""
    texts = [teacher_text(candidate) for candidate in example.candidates]
    return json.dumps([example.image, features.picture_key(example.image), texts, example.targets])


def _write(path: Path, confidence: TeacherConfidence) -> None:
    """Write the file whole or not at all; two workers that fit the same probe write the same."""
    path.parent.mkdir(exist_ok=True)
    with written_whole(path) as scratch, scratch.open("wb") as file:
        np.savez(file, **asdict(confidence))
