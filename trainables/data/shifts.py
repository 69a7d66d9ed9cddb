"""Shifted tests of real data sets, made from their files and written beside them. Imports no torch.

Each file has its published name, or the name that readers expect, so a study can list the split. Results of the same
recipe on the same files stay untouched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ablative.progress import Progress
from ablative.trainables.cache import write_atomically
from ablative.trainables.cache import written_whole
from ablative.trainables.data.sources import source
from ablative.trainables.errors import MissingData
from ablative.trainables.parts.task import Shift
from ablative.trainables.parts.task import Task
from ablative.trainables.strangers import parsing

RECIPE = 1
"""Raised when the same files give other shifted tests."""
MADE = "shifts.json"
"""File with the sources of each shifted test."""

Row = dict[str, Any]


def make_shifts(task: Task, folder: Path, progress: Progress, scores: Path | None = None) -> list[Shift]:
    """Write the shifted tests that can be made from `folder`.

    `scores`: VCR's per-token losses; without it, those of our own text-only scorer, fitted on train. Raises
    `MissingData` for a task or data set without any.
    """
    if task.shifts is None:
        raise MissingData(f"{task.name}: {task.no_shifts}")
    if scores and not scores.is_file():
        raise MissingData(f"{scores} does not exist; without it, losses come from our own text-only scorer.")
    inputs = [path for split in task.shifts.of for path in source(task, folder, split).files]
    digest = _digest(task, [*inputs, *([scores] if scores else [])])
    known = _known(folder, digest)
    if known is not None:
        return known
    made = task.shifts.make(task.at(folder), progress, scores)
    rows = [{"file": shift.file, "num_items": shift.num_items, "of": shift.of} for shift in made]
    write_atomically(folder / MADE, json.dumps({"digest": digest, "made": rows}, indent=1) + "\n")
    return made


def _digest(task: Task, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256(f"{task.name} {RECIPE}".encode())
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _known(folder: Path, digest: str) -> list[Shift] | None:
    """Return the earlier results from these files; None if there are none, or not all exist."""
    path = folder / MADE
    if not path.is_file():
        return None
    with parsing(str(path), "remove this file, and the shifted tests are made again"):
        content = json.loads(path.read_text(encoding="utf-8"))
        made = [Shift(**row) for row in content["made"]]
        whole = content["digest"] == digest and all((folder / shift.file).is_file() for shift in made)
    return made if whole else None


def rewrite(path: Path, rows: Iterable[Row | None], total: int) -> Shift:
    """Write the remaining rows to a file of JSON lines; `total` counts all rows."""
    count = 0
    with written_whole(path) as scratch, scratch.open("w", encoding="utf-8") as file:
        for row in rows:
            if row is not None:
                file.write(json.dumps(row) + "\n")
                count += 1
    return Shift(file=path.name, num_items=count, of=total)
