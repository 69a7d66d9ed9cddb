"""SNLI-VE: does the picture entail the hypothesis, contradict it, or neither?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ablative.progress import Progress
from ablative.trainables.parts.task import Layout
from ablative.trainables.parts.task import Reading
from ablative.trainables.parts.task import Shift
from ablative.trainables.parts.task import Shifts
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.tasks.snli_ve_files.corrected import FORMS
from ablative.trainables.tasks.snli_ve_files.corrected import corrected_file

if TYPE_CHECKING:
    from ablative.trainables.data.examples import Example
    from ablative.trainables.data.examples import TaskSplit
    from ablative.trainables.data.pairs import Pair

_CONTRADICTION, _ENTAILMENT = 0, 2
"""Indices of two of the classes."""
_HARD = "test_hypothesis_hard"
_HARD_IDS = "hypothesis_hard_test.json"


def _files_of(split: str) -> tuple[str, ...]:
    return (f"snli_ve_{'dev' if split == 'val' else split}.jsonl",)


_LAYOUT = Layout(
    required=("snli_ve_train.jsonl", "snli_ve_dev.jsonl", "snli_ve_test.jsonl"),
    pictures=("flickr30k_images",),
    image_folder="flickr30k_images",
    remedy="annotations: made by the scripts of the SNLI-VE repository (necla-ml/SNLI-VE) from SNLI 1.0; "
    "images: Flickr30k, on request from its authors at the University of Illinois",
    files_of=_files_of,
)


def _splits(place: TaskFolder) -> tuple[str, ...]:
    from ablative.trainables.data.sources import in_order
    from ablative.trainables.data.sources import shifted_files

    hard = [_HARD] if (place.path / _HARD_IDS).exists() else []
    corrected = [split for split in FORMS if corrected_file(place.path, split)]
    return in_order([*hard, *shifted_files(_LAYOUT, place.path), *corrected])


def _files(place: TaskFolder) -> Iterator[Path]:
    names = (name for split in (*_splits(place), "val", "test") for name in _files_of(split))
    corrected = (path for split in FORMS if (path := corrected_file(place.path, split)))
    yield from (*(place.path / name for name in (*names, _HARD_IDS)), *corrected)


def _source(place: TaskFolder, split: str) -> Source:
    if (corrected := corrected_file(place.path, split)) is not None:
        return Source(files=(corrected,))
    only = place.path / _HARD_IDS if split == _HARD else None
    return Source(files=tuple(place.path / name for name in _files_of("test" if only else split)), only=only)


def _classes(place: TaskFolder) -> tuple[str, ...]:
    from ablative.trainables.tasks.snli_ve_files.reader import CLASSES

    return CLASSES


def _read(reading: Reading) -> Iterator[Example]:
    from ablative.trainables.tasks.snli_ve_files.reader import read_snli_ve

    return read_snli_ve(reading.source, reading.slices)


def _pairs(split: TaskSplit) -> list[Pair]:
    """Return the entailed statements; contradicted ones of the same picture are the wrong texts."""
    from ablative.trainables.data.pairs import Pair
    from ablative.trainables.data.pairs import label_of
    from ablative.trainables.students.tokens import teacher_text

    wrong: dict[str, list[str]] = {}
    for example in split.examples:
        if label_of(example) == _CONTRADICTION:
            wrong.setdefault(example.image, []).append(teacher_text(example.candidates[0]))
    return [
        Pair(image=e.image, text=teacher_text(e.candidates[0]), wrong=tuple(wrong.get(e.image, ())))
        for e in split.examples
        if label_of(e) == _ENTAILMENT
    ]


def _make_shifts(place: TaskFolder, progress: Progress, scores: Path | None) -> list[Shift]:
    from ablative.trainables.tasks.snli_ve_files.shifts import make_shifts

    return make_shifts(place, progress)


SNLI_VE = Task(
    name="snli_ve",
    description="Visual entailment: a picture entails, contradicts or leaves open a hypothesis.",
    layout=lambda place: _LAYOUT,
    splits=_splits,
    known_splits=("val", "test", "test_style", "test_priors", _HARD, *FORMS),
    source=_source,
    files=_files,
    read=_read,
    classes=_classes,
    head="exclusive",
    published_examples=529_527,
    numbered_images=True,
    matched_class=_ENTAILMENT,
    pairs=_pairs,
    shifts=Shifts(make=_make_shifts, of=("train", "test", "val")),
)

PARTS = [SNLI_VE]
