"""Load one split of one task, whatever the form of its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ablative.progress import Progress
from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.benchmark.spec import is_large
from ablative.trainables.data.boxes import read_boxes
from ablative.trainables.data.content import EXAMPLES
from ablative.trainables.data.content import DataContent
from ablative.trainables.data.content import data_content
from ablative.trainables.data.content import examples_folder
from ablative.trainables.data.content import last_content
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.data.layout import image_folder_of
from ablative.trainables.data.layout import task_folder
from ablative.trainables.data.readers import classes_of
from ablative.trainables.data.readers import read_examples
from ablative.trainables.data.sources import data_files
from ablative.trainables.data.sources import source
from ablative.trainables.data.stored import WHOLE
from ablative.trainables.data.stored import read_stored
from ablative.trainables.file_digests import Stamp
from ablative.trainables.file_digests import stamp_of
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task


def load_split(task: Task, data: str, split: str, cache: Path, *, classes: tuple[str, ...] | None = None) -> TaskSplit:
    """Return `split` of `task`, read from `data`: a preset of the bundled benchmark or a real data set's folder.

    `classes`: those of a student trained on other data, in its order; default: those of the data.

    Generates the bundled benchmark if needed. If this process has read the split before, returns the same one again.
    Reads it again if its annotation files have changed, or the last look at the data has found other metadata
    (`trainables.data.content`). Raises `MissingData` or `UnreadableData`.
    """
    folder = prepare_folder(task, data, cache)
    origin = source(task, folder, split)
    stamps = tuple(stamp_of(path.stat()) for path in data_files(task, folder))
    content = _content(task, data, cache) if is_stored(task, data) else None
    stored = examples_folder(content, cache) / split if content else None
    whole = stored if stored and (stored / WHOLE).is_file() else None
    return _read(task, folder, split, origin, stamps, content, whole, classes)


def is_stored(task: Task, data: str) -> bool:
    """Return whether examples of this data may be stored: of real data sets, and of large bundled ones."""
    return data not in SHIPPED_DATA or is_large(data, task.name)


def _content(task: Task, data: str, cache: Path) -> DataContent | None:
    """Return a key for whether stored examples come from these files; None if nothing is stored or looked at."""
    last = last_content(task, data, cache)
    if last is None and (cache / EXAMPLES).is_dir():
        return data_content(task, data, cache, pictures=False)
    return last


def prepare_folder(task: Task, data: str, cache: Path, progress: Progress | None = None) -> Path:
    """Return the folder with the files of `task`, generating it first if it is bundled and missing."""
    if data in SHIPPED_DATA:
        from ablative.trainables.benchmark.build import ensure_benchmark

        ensure_benchmark(data, Path(cache), progress)
    return task_folder(task, data, Path(cache))


@lru_cache(maxsize=24)
def _read(
    task: Task,
    folder: Path,
    split: str,
    origin: Source,
    stamps: tuple[Stamp, ...],
    content: DataContent | None,
    stored: Path | None,
    asked: tuple[str, ...] | None,
) -> TaskSplit:
    classes = classes_of(task, folder) if asked is None else asked
    image_folder = image_folder_of(task, folder)
    examples: Sequence[Example]
    if stored and (asked is None or asked == classes_of(task, folder)):
        examples, boxes = read_stored(stored)
    else:
        examples = tuple(read_examples(task, folder, split, origin, classes))
        boxes = read_boxes(image_folder, (example.image for example in examples))
        if task.refers_to_boxes:
            examples = tuple(fitted(example, len(boxes.get(example.image, ()))) for example in examples)
    return TaskSplit(
        task=task,
        split=split,
        examples=examples,
        image_folder=str(image_folder.resolve()),
        boxes=boxes,
        classes=classes,
        labelled=not origin.blind,
    )


def fitted(example: Example, num_boxes: int) -> Example:
    """Return `example` without references to boxes that its image lacks."""
    if all(_fits(text, num_boxes) for text in _texts(example)):
        return example
    return replace(example, candidates=tuple(_cut(candidate, num_boxes) for candidate in example.candidates))


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
