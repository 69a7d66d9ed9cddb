"""Shifted tests of real data sets, made from their files and written beside them. Imports no torch.

Each file has the name under which it is published or read (`trainables.data.sources`), so that a study can list the
split. What was made of the same files by the same recipe is left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ablative.trainables.cache import write_atomically
from ablative.trainables.cache import written_whole
from ablative.trainables.data.masking import checked_losses
from ablative.trainables.data.masking import top_kept
from ablative.trainables.data.masking import top_masked
from ablative.trainables.data.reading import lines
from ablative.trainables.data.reading import read_rows
from ablative.trainables.data.shortcuts import plural
from ablative.trainables.data.shortcuts import singular
from ablative.trainables.data.snli_ve import read_snli_ve
from ablative.trainables.data.sources import source
from ablative.trainables.data.text_only import ChoiceScorer
from ablative.trainables.data.text_only import HypothesisClassifier
from ablative.trainables.data.vcr import sound
from ablative.trainables.errors import MissingData
from ablative.trainables.strangers import parsing

RECIPE = 1
"""Raised when the same files give other shifted tests."""
MADE = "shifts.json"
"""File that says what was made of what."""
SCORES = "shortcut_scores.jsonl"
PUBLISHED_COUNTS = {"val_rule_singular.jsonl": 16_154, "val_rule_plural.jsonl": 3_657}
"""Rows of the published files, made of VCR's official val: a check of the rules for whoever has the data."""
KEPT = (1, 3, 5)

Row = dict[str, Any]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One shifted test."""

    file: str
    """Name of the file in the data folder."""
    num_items: int
    of: int
    """Items of the test it was made of."""


def make_shifts(task: str, folder: Path, progress: Progress, scores: Path | None = None) -> list[Shift]:
    """Write the shifted tests that can be made of `folder`.

    `scores`: VCR's per-token losses; without it, those of our own text-only scorer, fitted on train. Raises
    `MissingData` for a task or data set that has none to make.
    """
    if task == "vqa":
        raise MissingData(
            "vqa: no shifted test is made here. VQA-CP v2 is a data set of its own (its folder is task.data); VQA-CE "
            "is read from counterexamples.json and hard.json (cdancette/detect-shortcuts) in the data folder."
        )
    if scores and not scores.is_file():
        raise MissingData(f"{scores} is not there; without it, losses come from our own text-only scorer.")
    inputs = [*source(task, folder, "train").files, *source(task, folder, "test").files]
    inputs += [scores] if scores else []
    digest = _digest(task, [*inputs, *_dev(task, folder)])
    known = _known(folder, digest)
    if known is not None:
        return known
    made = _vcr(folder, progress, scores) if task == "vcr" else _snli_ve(folder, progress)
    rows = [{"file": shift.file, "num_items": shift.num_items, "of": shift.of} for shift in made]
    write_atomically(folder / MADE, json.dumps({"digest": digest, "made": rows}, indent=1) + "\n")
    return made


def _digest(task: str, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256(f"{task} {RECIPE}".encode())
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _dev(task: str, folder: Path) -> tuple[Path, ...]:
    return source(task, folder, "val").files if task == "snli_ve" else ()


def _known(folder: Path, digest: str) -> list[Shift] | None:
    """Return what was made of these files before, None if it was not, or is not all there."""
    path = folder / MADE
    if not path.is_file():
        return None
    with parsing(str(path), "remove this file, and the shifted tests are made again"):
        content = json.loads(path.read_text(encoding="utf-8"))
        made = [Shift(**row) for row in content["made"]]
        whole = content["digest"] == digest and all((folder / shift.file).is_file() for shift in made)
    return made if whole else None


def _snli_ve(folder: Path, progress: Progress) -> list[Shift]:
    """Write the ids of the dev and test pairs whose label a classifier of hypotheses alone gets wrong."""
    texts, labels, _ = _hypotheses(folder, "train")
    progress("text-only classifier", 0, 3)
    if len(set(labels)) < 2:
        raise MissingData(f"{folder}: train has {len(set(labels))} labels; a classifier of hypotheses needs two.")
    classifier = HypothesisClassifier(texts, labels)
    made = []
    for step, (split, name) in enumerate((("val", "dev"), ("test", "test")), start=1):
        progress("text-only classifier", step, 3)
        texts, labels, pairs = _hypotheses(folder, split)
        hard = [pair for pair, wrong in zip(pairs, classifier.wrong(texts, labels), strict=True) if wrong]
        file = f"hypothesis_hard_{name}.json"
        write_atomically(folder / file, json.dumps(hard) + "\n")
        made.append(Shift(file=file, num_items=len(hard), of=len(pairs)))
    progress("text-only classifier", 3, 3)
    return made


def _hypotheses(folder: Path, split: str) -> tuple[list[str], list[str], list[str]]:
    found = [
        (example.candidates[0].query.text, example.stratum, example.id)
        for example in read_snli_ve(source("snli_ve", folder, split), {})
    ]
    texts, labels, pairs = zip(*found, strict=True) if found else ((), (), ())
    return list(texts), list(labels), list(pairs)


def _vcr(folder: Path, progress: Progress, scores: Path | None) -> list[Shift]:
    def rows(split: str) -> Iterator[Row]:
        for path in source("vcr", folder, split).files:
            yield from read_rows(path, lines(path), lambda row: [sound(row)])

    total = sum(1 for _ in rows("test"))
    progress("shifted tests: rules", 0, total)
    made = [
        _rewrite(folder / "val_rule_singular.jsonl", (singular(row) for row in rows("test")), total),
        _rewrite(folder / "val_rule_plural.jsonl", (plural(row) for row in rows("test")), total),
    ]
    progress("shifted tests: rules", total, total)
    if scores is None:
        progress("text-only scorer", 0, total)
        if next(rows("train"), None) is None:
            raise MissingData(f"{folder}: train has no row that can be read; give losses with --scores.")
        scorer = ChoiceScorer(lambda: rows("train"))
        scores = folder / SCORES
        _rewrite(scores, (scorer.scores(row) for row in rows("test")), total)
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

    made.append(_rewrite(folder / "val_adv_rmtop1.jsonl", hidden(top_masked), total))
    for k in KEPT:
        made.append(_rewrite(folder / f"val_adv_keeptop{k}.jsonl", hidden(partial(top_kept, k=k)), total))
    return made


def _rewrite(path: Path, rows: Iterable[Row | None], total: int) -> Shift:
    count = 0
    with written_whole(path) as scratch, scratch.open("w", encoding="utf-8") as file:
        for row in rows:
            if row is not None:
                file.write(json.dumps(row) + "\n")
                count += 1
    return Shift(file=path.name, num_items=count, of=total)
