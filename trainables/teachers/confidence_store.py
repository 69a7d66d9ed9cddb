"""The teacher's confidence on disk: a probe is fitted once, however many arms distil the same examples.

Beside the teacher's features, `confidence/<key>.npz`. The key covers everything that decides the numbers, even the
number of threads, which changes float sums. An arm that adapts the teacher has a key of its own.

For classes with a score each (VQA), the probabilities take gigabytes at full size. They lie in a memory-mapped file of
their own, in half precision. Their key leaves out seed and threads: like the teacher's features, they are computed on
any device and serve every trial with the same subset.
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
from filelock import FileLock

from ablative.trainables.cache import written_whole
from ablative.trainables.config import IDENTITY_VERSION
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.identity import CONFIDENCE_VERSION
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers import answer_probe
from ablative.trainables.teachers.confidence import FOLDS
from ablative.trainables.teachers.confidence import FOLDS_SEED
from ablative.trainables.teachers.confidence import ITERATIONS
from ablative.trainables.teachers.confidence import PENALTY
from ablative.trainables.teachers.confidence import TeacherConfidence
from ablative.trainables.teachers.confidence import blocked_confidence
from ablative.trainables.teachers.confidence import teacher_confidence
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.training.devices import current_device


def stored_confidence(
    split: TaskSplit, features: TeacherFeatures, *, seed: int, probabilities: bool
) -> TeacherConfidence:
    """Return the result of `teacher_confidence`, bit for bit, from disk if it was computed before.

    Probabilities of classes with a score each come rounded to half precision. `probabilities`: fill those of every
    class too; otherwise their array has no columns.
    """
    if split.task.head == "independent":
        return _blocked(split, features, probabilities=probabilities)
    settings = [IDENTITY_VERSION, FOLDS, PENALTY, ITERATIONS, torch.__version__, torch.get_num_threads(), seed]
    kept = [field.name for field in fields(TeacherConfidence)] + ["of every class"] * probabilities
    path = _file(split, features, [*settings, kept])
    if path.is_file():
        return _read(path)
    confidence = teacher_confidence(split, features, seed=seed)
    if not probabilities:
        confidence = replace(confidence, probabilities=confidence.probabilities[:, :0])
    _write(path, confidence)
    return confidence


def is_stored(split: TaskSplit, features: TeacherFeatures, *, probabilities: bool) -> bool:
    """Return whether the confidence for classes with a score each is stored."""
    path = _file(split, features, _settings())
    return path.is_file() and (not probabilities or _of_classes(path).is_file())


def _blocked(split: TaskSplit, features: TeacherFeatures, *, probabilities: bool) -> TeacherConfidence:
    path = _file(split, features, _settings())
    path.parent.mkdir(exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # one worker fits, the others wait
        if not is_stored(split, features, probabilities=probabilities):
            _fit(path, split, features, probabilities=probabilities)
    found = _read(path)
    return replace(found, probabilities=np.load(_of_classes(path), mmap_mode="r")) if probabilities else found


def _fit(path: Path, split: TaskSplit, features: TeacherFeatures, *, probabilities: bool) -> None:
    if not probabilities:
        _write(path, blocked_confidence(split, features, device=current_device()))
        return
    shape = (len(split.examples), len(split.classes))
    with written_whole(_of_classes(path)) as scratch:
        rows_NK = np.lib.format.open_memmap(scratch, mode="w+", dtype=np.float16, shape=shape)
        confidence = blocked_confidence(split, features, device=current_device(), probabilities_NK=rows_NK)
        rows_NK.flush()
    _write(path, replace(confidence, probabilities=np.zeros((shape[0], 0), dtype=np.float32)))


def _of_classes(path: Path) -> Path:
    return path.with_suffix(".classes.npy")


def _settings() -> list[object]:
    of_probe = [
        answer_probe.FOLDS,
        FOLDS_SEED,
        answer_probe.STRENGTHS,
        answer_probe.ITERATIONS,
        answer_probe.CHOOSING_ITERATIONS,
        answer_probe.CHOSEN_ON,
    ]
    return [CONFIDENCE_VERSION, IDENTITY_VERSION, of_probe]


def _file(split: TaskSplit, features: TeacherFeatures, settings: list[object]) -> Path:
    digest = hashlib.sha256(json.dumps([*settings, split.task.name, split.classes, features.blank]).encode())
    if features.heads is not None:
        digest.update(features.heads.image.tobytes() + features.heads.text.tobytes())
    for example in split.examples:
        digest.update(_judged(example, features).encode())
    return features.images.folder.parent / "confidence" / f"{digest.hexdigest()[:24]}.npz"


def _judged(example: Example, features: TeacherFeatures) -> str:
    """The question to the teacher about an example: picture, texts, truth; folds follow the image's name."""
    texts = [teacher_text(candidate) for candidate in example.candidates]
    return json.dumps([example.image, features.picture_key(example.image), texts, example.targets])


def _read(path: Path) -> TeacherConfidence:
    with np.load(path) as arrays:
        return TeacherConfidence(**arrays)


def _write(path: Path, confidence: TeacherConfidence) -> None:
    """Write the file whole or not at all; two workers that fit the same probe write the same bytes."""
    path.parent.mkdir(exist_ok=True)
    with written_whole(path) as scratch, scratch.open("wb") as file:
        np.savez(file, **asdict(confidence))
