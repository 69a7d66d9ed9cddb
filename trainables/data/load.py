"""Load one split of one task, whatever its files look like."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from trainables.data.boxes import Boxes
from trainables.data.boxes import read_boxes
from trainables.data.examples import Candidate
from trainables.data.examples import Example
from trainables.data.examples import TaskSplit
from trainables.data.examples import Text
from trainables.data.layout import LAYOUTS
from trainables.data.layout import Source
from trainables.data.layout import data_files
from trainables.data.layout import source
from trainables.data.layout import task_folder
from trainables.data.mini.spec import PRESETS
from trainables.data.slices import read_slices
from trainables.data.snli_ve import CLASSES
from trainables.data.snli_ve import read_snli_ve
from trainables.data.vcr import read_vcr
from trainables.data.vqa import read_vqa
from trainables.data.vqa import vocabulary

Progress = Callable[[str, int, int], None]


def load_split(task: str, data: str, split: str, cache: Path) -> TaskSplit:
    """Return `split` of `task`, read from `data`: a preset of the bundled benchmark or a real data set's folder.

    Generates the bundled benchmark if that has not been done. A split that was read before in this process is
    returned again unless its files have changed. Raises `MissingData` or `UnreadableData`.
    """
    folder = prepare_folder(task, data, cache)
    origin = source(task, folder, split)
    stamps = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in data_files(task, folder))
    return _read(task, folder, split, origin, stamps)


def prepare_folder(task: str, data: str, cache: Path, progress: Progress | None = None) -> Path:
    """Return the folder with the files of `task`, after generating it if it is bundled and not there."""
    if data in PRESETS:
        from trainables.data.mini.build import ensure_benchmark

        ensure_benchmark(data, Path(cache), progress)
    return task_folder(task, data, Path(cache))


@lru_cache(maxsize=24)
def _read(task: str, folder: Path, split: str, origin: Source, stamps: tuple[tuple[int, int], ...]) -> TaskSplit:
    slices = read_slices(folder, split)
    classes: tuple[str, ...] = ()
    if task == "vcr":
        examples = read_vcr(origin, slices)
    elif task == "snli_ve":
        examples, classes = read_snli_ve(origin, slices), CLASSES
    else:
        classes = vocabulary(folder)
        examples = read_vqa(origin, slices, classes)
    image_folder = folder / LAYOUTS[task].image_folder
    boxes = read_boxes(image_folder, (example.image for example in examples))
    return TaskSplit(
        task=task,
        split=split,
        examples=tuple(_with_known_boxes(examples, boxes) if task == "vcr" else examples),
        image_folder=str(image_folder.resolve()),
        boxes=boxes,
        classes=classes,
    )


def _with_known_boxes(examples: Iterable[Example], boxes: dict[str, Boxes]) -> Iterable[Example]:
    """Yield the examples without references to boxes that their image does not have."""
    for example in examples:
        count = len(boxes.get(example.image, ()))
        if all(_fits(text, count) for text in _texts(example)):
            yield example
        else:
            yield replace(example, candidates=tuple(_cut(candidate, count) for candidate in example.candidates))


def _texts(example: Example) -> list[Text]:
    pairs = [(candidate.query, candidate.response) for candidate in example.candidates]
    return [text for pair in pairs for text in pair if text is not None]


def _fits(text: Text, count: int) -> bool:
    return all(box < count for _, _, box in text.references)


def _cut(candidate: Candidate, count: int) -> Candidate:
    def kept(text: Text) -> Text:
        return replace(text, references=tuple(span for span in text.references if span[2] < count))

    response = kept(candidate.response) if candidate.response else None
    return replace(candidate, query=kept(candidate.query), response=response)
