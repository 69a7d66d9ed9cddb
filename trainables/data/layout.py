"""Which files a data set consists of, and which of them make a split. Imports no torch.

The layouts are those of the real distributions. Where a folder has no labelled test file (VCR and VQA keep theirs
to themselves), the official validation file serves as `test`, and `val` is carved out of train by a hash of the
image, so that search never sees what confirm reports. Files of shifted tests (`test_*`) are found by their names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from trainables.data.mini.spec import PRESETS
from trainables.data.mini.spec import preset
from trainables.data.reading import lines
from trainables.errors import MissingData

Part = Literal["all", "carved", "rest"]

CARVED_PERCENT = 5
"""Percent of the training images that make `val` where it has to be carved."""
_SHIFTED_ORDER = ("test_style", "test_priors", "test_shortcuts")
_NUM_LOOKED_AT = 20
"""Rows of a test file that are searched for a label."""
_SIZE_OF = {"vcr": "annotations", "snli_ve": "statements", "vqa": "questions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one task's real distribution is laid out."""

    required: tuple[str, ...]
    """Files and folders that must be there."""
    image_folder: str
    remedy: str
    files_of: Callable[[str], tuple[str, ...]]
    """Split's own name -> its files."""


def _vcr_files(split: str) -> tuple[str, ...]:
    return (f"{split}.jsonl",)


def _snli_ve_files(split: str) -> tuple[str, ...]:
    return (f"snli_ve_{'dev' if split == 'val' else split}.jsonl",)


def _vqa_files(split: str) -> tuple[str, ...]:
    subset = f"{split}2014" if split in ("train", "val", "test") else split
    return (f"v2_OpenEnded_mscoco_{subset}_questions.json", f"v2_mscoco_{subset}_annotations.json")


LAYOUTS = {
    "vcr": Layout(
        required=("train.jsonl", "val.jsonl", "vcr1images"),
        image_folder="vcr1images",
        remedy="VCR 1.0, annotations and images: visualcommonsense.com, page Download",
        files_of=_vcr_files,
    ),
    "snli_ve": Layout(
        required=("snli_ve_train.jsonl", "snli_ve_dev.jsonl", "snli_ve_test.jsonl", "flickr30k_images"),
        image_folder="flickr30k_images",
        remedy="annotations: made by the scripts of the SNLI-VE repository (necla-ml/SNLI-VE) from SNLI 1.0; "
        "images: Flickr30k, on request from its authors at the University of Illinois",
        files_of=_snli_ve_files,
    ),
    "vqa": Layout(
        required=(*_vqa_files("train"), *_vqa_files("val"), "train2014", "val2014"),
        image_folder=".",
        remedy="VQA v2, balanced real images: visualqa.org, page Download; images: cocodataset.org (2014)",
        files_of=_vqa_files,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a split's examples come from."""

    files: tuple[Path, ...]
    part: Part = "all"
    without_shortcuts: bool = False
    """The rows are edited by the shortcut rules of `trainables.data.shortcuts` while they are read."""


def splits_of(task: str, data: str) -> tuple[str, ...]:
    """Return the names of the splits that `data` has for `task`, shifted tests last.

    For a folder that is not there: the splits that the real distribution gives.
    """
    if data in PRESETS:
        sizes = preset(data).sizes
        return tuple(split for split, size in sizes.items() if getattr(size, _SIZE_OF[task]))
    found = set(_shifted_files(task, Path(data)))
    if task == "vcr":
        found.add("test_shortcuts")
    order = [split for split in _SHIFTED_ORDER if split in found]
    return ("train", "val", "test", *order, *sorted(found - set(order)))


def _shifted_files(task: str, folder: Path) -> list[str]:
    """Return the names of the shifted tests that `folder` has files of."""
    start, end = LAYOUTS[task].files_of("*")[-1].split("*")
    names = (path.name.removeprefix(start).removesuffix(end) for path in folder.glob(f"{start}test_*{end}"))
    return sorted(names)


def task_folder(task: str, data: str, cache: Path) -> Path:
    """Return the folder of one task's files: a part of the bundled benchmark, or the real data set's folder.

    Raises `MissingData`, naming each missing file and how to get it, for a real data set. The bundled benchmark's
    folder may not have been generated yet.
    """
    if data in PRESETS:
        from trainables.data.mini.build import benchmark_folder

        return benchmark_folder(data, cache) / task
    folder, layout = Path(data).expanduser().absolute(), LAYOUTS[task]
    missing = [name for name in layout.required if not (folder / name).exists()]
    if missing:
        listed = "\n".join(f"  {folder / name}" for name in missing)
        raise MissingData(
            f"task.data: {task} is not complete in {folder}; missing:\n{listed}\nHow to get it: {layout.remedy}."
        )
    return folder


def data_files(task: str, folder: Path) -> list[Path]:
    """Return every annotation file in `folder` that some split is read from, sorted; slices included."""
    layout = LAYOUTS[task]
    names = {name for split in ("train", "val", "test") for name in layout.files_of(split)}
    names |= {name for split in _shifted_files(task, folder) for name in layout.files_of(split)}
    paths = [folder / name for name in names] + sorted((folder / "slices").glob("*.json"))
    return sorted(path for path in paths if path.is_file())


def source(task: str, folder: Path, split: str) -> Source:
    """Return where `split` is read from. Raises `MissingData` for a split that the folder does not have."""

    def files(name: str) -> tuple[Path, ...]:
        return tuple(folder / file for file in LAYOUTS[task].files_of(name))

    labelled = _has_labels(task, files("test"))
    if split in ("train", "val") and not labelled:
        return Source(files=files("train"), part="carved" if split == "val" else "rest")
    if split == "test" and not labelled:
        return Source(files=files("val"))
    if task == "vcr" and split == "test_shortcuts" and not files(split)[0].exists():
        return Source(files=files("test" if labelled else "val"), without_shortcuts=True)
    for path in files(split):
        if not path.exists():
            raise MissingData(f"split {split!r} of {task}: {path} is not there; remove the split or add the file.")
    return Source(files=files(split))


def _has_labels(task: str, test: tuple[Path, ...]) -> bool:
    if not all(path.exists() for path in test):
        return False
    if task != "vcr":
        return True
    return any(isinstance(row, dict) and "answer_label" in row for _, row in islice(lines(test[0]), _NUM_LOOKED_AT))


def is_carved(image: str) -> bool:
    """Return whether `image` belongs to a `val` carved out of train: a property of its name alone."""
    point = hashlib.blake2b(image.encode(), digest_size=8).digest()
    return int.from_bytes(point, "big") % 100 < CARVED_PERCENT
