"""`ablate data prepare`: check every row and reference of a data set, and store its examples for fast reading.

Streamed, so a split never lies in memory as a whole. If killed, the next preparation keeps the files that are whole.
Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from ablative.progress import Progress
from ablative.trainables.cache import write_atomically
from ablative.trainables.data.boxes import Boxes
from ablative.trainables.data.content import data_content
from ablative.trainables.data.content import examples_folder
from ablative.trainables.data.examples import Example
from ablative.trainables.data.findings import BAD_FILE
from ablative.trainables.data.findings import BAD_PICTURE
from ablative.trainables.data.findings import LEFT_OUT
from ablative.trainables.data.findings import MISSING_IMAGE
from ablative.trainables.data.findings import NUM_NAMED
from ablative.trainables.data.findings import Findings
from ablative.trainables.data.inspection import Inspection
from ablative.trainables.data.inspection import images_among
from ablative.trainables.data.layout import task_folder
from ablative.trainables.data.left_out import leave_out
from ablative.trainables.data.left_out import left_out
from ablative.trainables.data.overlaps import Overlaps
from ablative.trainables.data.reading import MOST_UNREADABLE
from ablative.trainables.data.reading import refuse
from ablative.trainables.data.sources import splits_of
from ablative.trainables.data.stored import PER_FILE
from ablative.trainables.data.stored import WHOLE
from ablative.trainables.data.stored import is_written
from ablative.trainables.data.stored import write_examples
from ablative.trainables.errors import UnreadableData
from ablative.trainables.parts.task import Task

_EVERY = 1000


def check(
    task: Task,
    data: str,
    cache: Path,
    progress: Progress,
    *,
    splits: Sequence[str] = (),
    decode: bool = True,
    most_left_out: float | None = None,
    most_named: int = NUM_NAMED,
) -> list[Inspection]:
    """Read every row of the splits (default: all), decode every picture, and return the problems.

    With `most_left_out`, lists the missing and damaged pictures if their share is no greater
    (`trainables.data.left_out`); otherwise writes nothing. `decode`: false only checks that pictures exist.

    `most_named`: problems of a kind to name. Raises `MissingData` if files are missing, `UnreadableData` if too many
    pictures would be left out.
    """
    folder = task_folder(task, data, cache)
    found, decoded, overlaps = [], set[str](), Overlaps()
    for split in splits or splits_of(task, data, cache):
        findings = Findings(most=most_named)
        inspection = Inspection(task=task, folder=folder, split=split, findings=findings, overlaps=overlaps)
        try:
            total = inspection.expected()
            for _ in inspection.stream():
                _tell(progress, inspection, total)
        except UnreadableData as error:
            findings.add(BAD_FILE, str(error))
        progress(split, inspection.num_examples, inspection.num_examples)
        if decode:
            inspection.decode(progress, decoded)
        found.append(inspection)
    if most_left_out is not None:
        _leave_out(folder, found, most_left_out)
    return found


def _leave_out(folder: Path, found: Sequence[Inspection], most: float) -> None:
    pictures = {image for inspection in found for image in inspection.unseen}
    if pictures:
        images = set(images_among(found))
        leave_out(folder, pictures, len(images | left_out(folder)), most)  # the rows of the latter are not read
    for inspection in found:
        inspection.findings.rename(BAD_PICTURE, LEFT_OUT)
        inspection.findings.rename(MISSING_IMAGE, LEFT_OUT)


def prepare_examples(
    task: Task,
    data: str,
    cache: Path,
    progress: Progress,
    *,
    splits: Sequence[str] = (),
    most_unreadable: float = MOST_UNREADABLE,
    needs_pictures: bool = True,
    decode: bool = True,
    most_named: int = NUM_NAMED,
) -> list[Inspection]:
    """Store the examples of the splits (default: all) and return the problems.

    `needs_pictures`: false if region features are to be converted next. Raises `MissingData` if files are missing,
    `UnreadableData` if a file cannot be read or has too large a share of bad rows.
    """
    folder = task_folder(task, data, cache)
    target = examples_folder(data_content(task, data, cache, progress, pictures=False), cache)
    target.mkdir(parents=True, exist_ok=True)
    found, decoded, overlaps = [], set[str](), Overlaps()
    with FileLock(target / "prepare.lock"):
        for split in splits or splits_of(task, data, cache):
            inspection = Inspection(
                task=task,
                folder=folder,
                split=split,
                needs_pictures=needs_pictures,
                findings=Findings(most=most_named),
                overlaps=overlaps,
            )
            _store(inspection, target / split, progress, most_unreadable)
            if decode and needs_pictures:
                inspection.decode(progress, decoded)
            found.append(inspection)
    return found


def _store(inspection: Inspection, target: Path, progress: Progress, most_unreadable: float) -> None:
    target.mkdir(exist_ok=True)
    for unfinished in target.glob(".*.arrow.*"):  # from a killed preparation: we hold its lock
        unfinished.unlink()
    number, anew = 0, (target / WHOLE).exists()  # an interrupted preparation left no WHOLE, so keep its files
    total = inspection.expected()
    examples: list[Example] = []
    boxes: list[tuple[str, Boxes]] = []

    def write() -> None:
        nonlocal number
        if anew or not is_written(target, number):
            write_examples(target, number, examples, boxes)
        number += 1
        examples.clear()
        boxes.clear()

    for seen in inspection.stream():
        examples.append(seen.example)
        if seen.boxes is not None:
            boxes.append((seen.example.image, seen.boxes))
        if len(examples) == PER_FILE:
            write()
        _tell(progress, inspection, total)
    if examples:
        write()
    for rows in inspection.rows:
        refuse(rows, most_unreadable)
    facts = {"num_files": number, "num_examples": inspection.num_examples, "num_images": inspection.num_images}
    write_atomically(target / WHOLE, json.dumps(facts) + "\n")
    progress(inspection.split, inspection.num_examples, inspection.num_examples)


def _tell(progress: Progress, inspection: Inspection, total: int) -> None:
    """Show the position of a stream; the end is shown once it is reached, because `total` is only an estimate."""
    done = inspection.num_examples
    if done % _EVERY == 0:
        progress(inspection.split, done, max(total, done + 1))
