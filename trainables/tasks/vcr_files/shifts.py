"""Shifted tests of VCR: without the answer that repeats the question's persons, or with decisive words hidden.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ablative.progress import Progress
from ablative.trainables.data.reading import lines
from ablative.trainables.data.reading import read_rows
from ablative.trainables.data.shifts import rewrite
from ablative.trainables.data.text_only import ChoiceScorer
from ablative.trainables.errors import MissingData
from ablative.trainables.parts.task import Shift
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.strangers import parsing
from ablative.trainables.tasks.vcr_files.layout import source
from ablative.trainables.tasks.vcr_files.masking import checked_losses
from ablative.trainables.tasks.vcr_files.masking import top_kept
from ablative.trainables.tasks.vcr_files.masking import top_masked
from ablative.trainables.tasks.vcr_files.reader import sound
from ablative.trainables.tasks.vcr_files.shortcuts import plural
from ablative.trainables.tasks.vcr_files.shortcuts import singular

SCORES = "shortcut_scores.jsonl"
KEPT = (1, 3, 5)

Row = dict[str, Any]


def make_shifts(place: TaskFolder, progress: Progress, scores: Path | None) -> list[Shift]:
    """Write the shifted tests beside the task's files."""
    folder = place.path

    def rows(split: str) -> Iterator[Row]:
        for path in source(place, split).files:
            yield from read_rows(path, lines(path), lambda row: [sound(row)])

    total = sum(1 for _ in rows("test"))
    progress("shifted tests: rules", 0, total)
    made = [
        rewrite(folder / "val_rule_singular.jsonl", (singular(row) for row in rows("test")), total),
        rewrite(folder / "val_rule_plural.jsonl", (plural(row) for row in rows("test")), total),
    ]
    progress("shifted tests: rules", total, total)
    if scores is None:
        progress("text-only scorer", 0, total)
        if next(rows("train"), None) is None:
            raise MissingData(f"{folder}: train has no row that can be read; give losses with --scores.")
        scorer = ChoiceScorer(lambda: rows("train"))
        scores = folder / SCORES
        rewrite(scores, (scorer.scores(row) for row in rows("test")), total)
        progress("text-only scorer", total, total)
    losses = {str(row["annot_id"]): row for row in read_rows(scores, lines(scores), lambda row: [checked_losses(row)])}

    def hidden(edited: Callable[[Row, Row], Row]) -> Iterator[Row]:
        for row in rows("test"):
            name = str(row["annot_id"])
            if name not in losses:
                raise MissingData(f"{scores}: no losses for {name}; score every row of the test.")
            with parsing(str(scores), "score the rows of this test"):
                changed = edited(row, losses[name])
            yield changed

    made.append(rewrite(folder / "val_adv_rmtop1.jsonl", hidden(top_masked), total))
    for k in KEPT:
        made.append(rewrite(folder / f"val_adv_keeptop{k}.jsonl", hidden(partial(top_kept, k=k)), total))
    return made
