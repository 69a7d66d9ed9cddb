"""The files of VQA v2 and VQA-CP v2, and the splits that they make. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ablative.trainables.data.sources import in_order
from ablative.trainables.data.sources import shifted_files
from ablative.trainables.errors import MissingData
from ablative.trainables.parts.task import Layout
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.tasks.vqa_files.visual_genome import IMAGES
from ablative.trainables.tasks.vqa_files.visual_genome import QUESTIONS

LISTED = {"test_counterexamples": "counterexamples.json", "test_counterexamples_hard": "hard.json"}
"""Shifted test -> file with the ids of its questions among the test's: VQA-CE."""
BLIND = {
    "blind_dev": "v2_OpenEnded_mscoco_test-dev2015_questions.json",
    "blind_test": "v2_OpenEnded_mscoco_test2015_questions.json",
}
"""Split without labels -> its file. `blind_test` is what VQA's server calls test-std."""
BLIND_IMAGES = "test2015"
"""Folder of the pictures of the blind splits."""


def _v2_files(split: str) -> tuple[str, ...]:
    subset = f"{split}2014" if split in ("train", "val", "test") else split
    return (f"v2_OpenEnded_mscoco_{subset}_questions.json", f"v2_mscoco_{subset}_annotations.json")


def _cp_files(split: str) -> tuple[str, ...]:
    return (f"vqacp_v2_{split}_questions.json", f"vqacp_v2_{split}_annotations.json")


V2 = Layout(
    required=(*_v2_files("train"), *_v2_files("val")),
    pictures=("train2014", "val2014"),
    image_folder=".",
    remedy="VQA v2, balanced real images: visualqa.org, page Download; images: cocodataset.org (2014)",
    files_of=_v2_files,
)
CP = Layout(
    required=(*_cp_files("train"), *_cp_files("test")),
    pictures=("train2014", "val2014"),
    image_folder=".",
    remedy="VQA-CP v2: the files vqacp_v2_{train,test}_{questions,annotations}.json; images: cocodataset.org (2014)",
    files_of=_cp_files,
)
"""VQA with other answer priors in test than in train: a data set of its own, with the questions of VQA v2."""


def layout(place: TaskFolder) -> Layout:
    """Return the layout of VQA-CP if its files are present, else that of VQA v2."""
    return CP if (place.path / CP.required[0]).exists() else V2


def splits(place: TaskFolder) -> tuple[str, ...]:
    """Return the splits of a folder; blind ones only if their pictures are present."""
    listed = [split for split, name in LISTED.items() if (place.path / name).exists()]
    return in_order([*listed, *shifted_files(V2, place.path)], _blind(place.path))


def _blind(folder: Path) -> list[str]:
    there = [split for split, name in BLIND.items() if (folder / name).exists()]
    return there if (folder / BLIND_IMAGES).exists() else []


def files(place: TaskFolder) -> Iterator[Path]:
    """Yield every possible annotation file; blind ones only if they make a split."""
    names = [*("train", "val", "test"), *shifted_files(V2, place.path)]
    yield from (place.path / name for split in names for name in layout(place).files_of(split))
    yield from (place.path / name for name in LISTED.values())
    yield from (place.path / BLIND[split] for split in _blind(place.path))
    if place.options.visual_genome:
        yield from (place.path / QUESTIONS, place.path / IMAGES)


def source(place: TaskFolder, split: str) -> Source:
    """Return the files that a split is read from. In VQA-CP, and without a test, `val` is carved out of train.

    If the official val is also trained on, `val` is carved out of train and `test` out of that val; training uses
    neither. Raises MissingData if the file is missing.
    """
    found, options = layout(place), place.options

    def named(name: str) -> tuple[Path, ...]:
        return tuple(place.path / file for file in found.files_of(name))

    labelled = all(path.exists() for path in named("test"))
    both = options.train_on == "train_val"
    if both and found is CP:
        raise MissingData(f"task.vqa.train_on=train_val: VQA-CP in {place.path} has no val; use train")
    test = named("test" if labelled else "val")
    part: Literal["all", "carved"] = "carved" if both and not labelled else "all"
    if split == "train":
        further = (place.path / QUESTIONS, place.path / IMAGES) if options.visual_genome else ()
        whole = labelled and found is not CP and not both
        files = (*named("train"), *(named("val") if both else ()), *further)
        return Source(files=files, part="all" if whole else "rest")
    if split == "val" and (found is CP or not labelled or both):
        return Source(files=named("train"), part="carved")
    if split == "test":
        return Source(files=test, part=part)
    if split in BLIND:
        return Source(files=(place.path / BLIND[split],), blind=True)
    if split in LISTED:
        return Source(files=test, part=part, only=place.path / LISTED[split])
    return Source(files=named(split))
