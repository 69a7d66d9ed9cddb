"""An exported student: a folder that others load without this program."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save

from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.flat import FlatStudent
from ablative.trainables.students.flat import example
from ablative.trainables.students.flat import input_names
from ablative.trainables.students.flat import save_onnx
from ablative.trainables.students.flat import save_program
from ablative.trainables.students.kept import KeptStudent
from ablative.trainables.students.kept import about_of
from ablative.trainables.students.kept import metadata_of
from ablative.trainables.students.kept import read_kept
from ablative.trainables.students.kept import rebuilt
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.vocabulary import tokenizer

WEIGHTS, SETTINGS, SOURCE, PROGRAM = "model.safetensors", "config.json", "modeling.py", "model.pt2"
ONNX = "model.onnx"
_MODELS = (SOURCE, PROGRAM, ONNX)
"""Files that only some exported students have."""
WORDS, TOKENIZER = "vocab.txt", "tokenizer.json"
EXAMPLE = "example.safetensors"
"""Random inputs and the student's logits for them: whoever loads the student can check that it is the same."""


def write_student(found: KeptStudent, folder: Path, *, onnx: bool = False) -> list[str]:
    """Write the student's files into `folder`, replacing those of another student, and return their names.

    If it raises, `folder` is unchanged. Raises CheckpointError if the weights no longer fit the student's code, or
    torch.export cannot trace the student.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".exporting-") as scratch:
        names = _written(found, Path(scratch), onnx=onnx)
        folder.mkdir(exist_ok=True)
        for name in _MODELS:
            (folder / name).unlink(missing_ok=True)  # left from another student, it would contradict the weights
        for name in names:
            os.replace(Path(scratch) / name, folder / name)
    return names


def _written(found: KeptStudent, folder: Path, *, onnx: bool) -> list[str]:
    settings, student = found.config.student, rebuilt(found)
    tensors = {name: value.contiguous() for name, value in (*student.state_dict().items(), *_fixed(student))}
    # `save_file` makes files that only their owner may read
    (folder / WEIGHTS).write_bytes(save(tensors, metadata={"format": "pt", **metadata_of(found)}))
    about: dict[str, Any] = {
        **about_of(found),
        "longest_text": settings.part.presets[settings.preset].longest_text,
        "inputs": input_names(settings),
    }
    (folder / EXAMPLE).write_bytes(save(_answered(student, found)))
    names = [WEIGHTS, SETTINGS, EXAMPLE, *_write_words(settings.vocabulary, folder)]
    if settings.part.plain is not None:
        source, shape = settings.part.plain(settings, student)
        about["shape"] = shape
        (folder / SOURCE).write_text(source, encoding="utf-8")
        names.append(SOURCE)
    else:
        save_program(student, settings, found.region_width, folder / PROGRAM)
        names.append(PROGRAM)
    (folder / SETTINGS).write_text(json.dumps(about, indent=2), encoding="utf-8")
    if onnx:
        save_onnx(student, settings, found.region_width, folder / ONNX)
        names.append(ONNX)
    return names


def read_student(folder: Path, catalogue: Catalogue) -> tuple[KeptStudent, StudentModule]:
    """Return the student in a folder from `write_student`. Runs nothing in the folder.

    Raises CheckpointError if there is none, or the weights no longer fit the student's code.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise CheckpointError(f"{folder}: no {WEIGHTS}; wanted a folder that `ablate student export` has written")
    found = read_kept(path.read_bytes(), str(path), catalogue)
    student = found.config.student
    if student.vocabulary is not None:
        student = student.changed(vocabulary=str(folder / WORDS))
        found = replace(found, config=found.config.changed(student=student))
    return found, rebuilt(found)


def _answered(student: StudentModule, found: KeptStudent) -> dict[str, torch.Tensor]:
    settings = found.config.student
    tensors = example(settings, found.region_width)
    with torch.inference_mode():
        logits = FlatStudent(student)(*tensors)
    return {**dict(zip(input_names(settings), tensors, strict=True)), "logits": logits}


def _fixed(student: StudentModule) -> list[tuple[str, Any]]:
    """Return the buffers that are not weights and that are missing without our packages."""
    names = student.state_dict().keys()
    return [(name, value) for name, value in student.named_buffers() if name not in names]


def _write_words(vocabulary: str | None, folder: Path) -> list[str]:
    words = tokenizer(vocabulary)
    by_number = sorted(words.get_vocab().items(), key=lambda item: item[1])
    (folder / WORDS).write_text("".join(f"{piece}\n" for piece, _ in by_number), encoding="utf-8")
    (folder / TOKENIZER).write_text(words.to_str(), encoding="utf-8")
    return [WORDS, TOKENIZER]
