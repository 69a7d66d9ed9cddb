"""Which files each task's real distribution consists of, and where they lie. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ablative.trainables.benchmark.spec import PRESETS
from ablative.trainables.errors import MissingData


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one task's real distribution is laid out."""

    required: tuple[str, ...]
    """Files and folders that must be there."""
    pictures: tuple[str, ...]
    """Folders of pictures, which may be missing where tar shards or region features are in the image folder."""
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


def _vqa_cp_files(split: str) -> tuple[str, ...]:
    return (f"vqacp_v2_{split}_questions.json", f"vqacp_v2_{split}_annotations.json")


LAYOUTS = {
    "vcr": Layout(
        required=("train.jsonl", "val.jsonl"),
        pictures=("vcr1images",),
        image_folder="vcr1images",
        remedy="VCR 1.0, annotations and images: visualcommonsense.com, page Download",
        files_of=_vcr_files,
    ),
    "snli_ve": Layout(
        required=("snli_ve_train.jsonl", "snli_ve_dev.jsonl", "snli_ve_test.jsonl"),
        pictures=("flickr30k_images",),
        image_folder="flickr30k_images",
        remedy="annotations: made by the scripts of the SNLI-VE repository (necla-ml/SNLI-VE) from SNLI 1.0; "
        "images: Flickr30k, on request from its authors at the University of Illinois",
        files_of=_snli_ve_files,
    ),
    "vqa": Layout(
        required=(*_vqa_files("train"), *_vqa_files("val")),
        pictures=("train2014", "val2014"),
        image_folder=".",
        remedy="VQA v2, balanced real images: visualqa.org, page Download; images: cocodataset.org (2014)",
        files_of=_vqa_files,
    ),
}
VQA_CP = Layout(
    required=(*_vqa_cp_files("train"), *_vqa_cp_files("test")),
    pictures=("train2014", "val2014"),
    image_folder=".",
    remedy="VQA-CP v2: the files vqacp_v2_{train,test}_{questions,annotations}.json; images: cocodataset.org (2014)",
    files_of=_vqa_cp_files,
)
"""VQA with other answer priors in test than in train: a data set of its own, with the questions of VQA v2."""


def layout_of(task: str, folder: Path) -> Layout:
    """Return the layout of `folder`: the task's own, or that of VQA-CP where its files are."""
    return VQA_CP if task == "vqa" and (folder / VQA_CP.required[0]).exists() else LAYOUTS[task]


def task_folder(task: str, data: str, cache: Path) -> Path:
    """Return the folder of one task's files: a part of the bundled benchmark, or the real data set's folder.

    Raises `MissingData`, naming each missing file and how to get it, for a real data set. The bundled benchmark's
    folder may not have been generated yet.
    """
    if data in PRESETS:
        from ablative.trainables.benchmark.build import benchmark_folder

        return benchmark_folder(data, cache) / task
    folder = Path(data).expanduser().absolute()
    missing = missing_files(task, folder)
    if missing:
        listed = "\n".join(f"  {folder / name}" for name in missing)
        raise MissingData(
            f"task.data: {task} is not complete in {folder}; missing:\n{listed}\n"
            f"How to get it: {layout_of(task, folder).remedy}."
        )
    return folder


def task_of(data: str) -> str:
    """Return the task whose annotation files lie in the folder `data`. Raises `MissingData` unless it is one."""
    folder = Path(data).expanduser().absolute()
    found = [task for task in LAYOUTS if all((folder / name).exists() for name in layout_of(task, folder).required)]
    if len(found) != 1:
        known = "\n".join(f"  {task}: {', '.join(layout.required)}" for task, layout in LAYOUTS.items())
        raise MissingData(
            f"{folder}: the annotation files of {' and '.join(found) or 'no task'} are here; a task is told by\n"
            f"{known}\nName the task, or complete the folder."
        )
    return found[0]


def missing_files(task: str, folder: Path) -> list[str]:
    """Return what `folder` lacks of `task`, relative to it."""
    layout = layout_of(task, folder)
    images = folder / layout.image_folder
    replaced = (images / "regions").is_dir() or next(images.glob("*.tar"), None) is not None
    needed = layout.required if replaced else (*layout.required, *layout.pictures)
    return [name for name in needed if not (folder / name).exists()]
