"""Your own pictures with texts and labels, in the convention of Hugging Face's ImageFolder, without any code."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablative.trainables.data.sources import in_order
from ablative.trainables.parts.task import Layout
from ablative.trainables.parts.task import Reading
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.tasks.image_text_files.files import NAMES
from ablative.trainables.tasks.image_text_files.files import REMEDY
from ablative.trainables.tasks.image_text_files.files import found_files
from ablative.trainables.tasks.image_text_files.options import ImageTextOptions
from ablative.trainables.tasks.image_text_files.options import contradictions

if TYPE_CHECKING:
    import numpy as np

    from ablative.trainables.data.examples import Example
    from ablative.trainables.data.examples import TaskSplit


def _layout(place: TaskFolder) -> Layout:
    found = tuple(file.path.relative_to(place.path).as_posix() for file in found_files(place.path))
    return Layout(required=found or NAMES[:1], remedy=REMEDY)


def _splits(place: TaskFolder) -> tuple[str, ...]:
    shifted = place.options.shift.split
    return in_order([shifted] if shifted else [])


def _source(place: TaskFolder, split: str) -> Source:
    from ablative.trainables.tasks.image_text_files.reader import source_files

    return Source(files=source_files(place, split))


def _files(place: TaskFolder) -> Iterator[Path]:
    return (file.path for file in found_files(place.path))


def _classes(place: TaskFolder) -> tuple[str, ...]:
    from ablative.trainables.tasks.image_text_files.reader import classes

    return classes(place)


def _read(reading: Reading) -> Iterator[Example]:
    from ablative.trainables.tasks.image_text_files.reader import read

    return read(reading)


def _num_examples(source: Source) -> int:
    from ablative.trainables.tasks.image_text_files.rows import about

    return sum(map(about, source.files))


def _measure(split: TaskSplit, probabilities: Sequence[np.ndarray], scores: np.ndarray) -> dict[str, float]:
    from ablative.trainables.tasks.image_text_files.metrics import measure

    return measure(split, probabilities, scores)


def _understood(place: TaskFolder) -> Sequence[str]:
    from ablative.trainables.tasks.image_text_files.telling import told

    return told(place)


IMAGE_TEXT = Task(
    name="image_text",
    description="Pictures of your own with texts and labels: a label is told from picture and text.",
    options=ImageTextOptions,
    contradictions=contradictions,
    layout=_layout,
    splits=_splits,
    known_splits=("val", "test", "test_*"),
    source=_source,
    files=_files,
    read=_read,
    num_examples=_num_examples,
    classes=_classes,
    head="exclusive",
    measure=_measure,
    metrics=("accuracy", "macro_f1", "f1_*"),
    no_shifts="no shifted test is made of its files; task.image_text.shift takes one out of them by a column.",
    understood=_understood,
)

PARTS = [IMAGE_TEXT]
