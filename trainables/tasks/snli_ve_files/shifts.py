"""The part of SNLI-VE that its hypotheses alone do not give away. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path

from ablative.progress import Progress
from ablative.trainables.cache import write_atomically
from ablative.trainables.data.text_only import HypothesisClassifier
from ablative.trainables.errors import MissingData
from ablative.trainables.parts.task import Shift
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.tasks.snli_ve_files.reader import read_snli_ve

FILES = {"train": "snli_ve_train.jsonl", "val": "snli_ve_dev.jsonl", "test": "snli_ve_test.jsonl"}


def make_shifts(place: TaskFolder, progress: Progress) -> list[Shift]:
    """Write the ids of the dev and test pairs that a classifier of hypotheses alone labels wrongly."""
    folder = place.path
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
        for example in read_snli_ve(Source(files=(folder / FILES[split],)), {})
    ]
    texts, labels, pairs = zip(*found, strict=True) if found else ((), (), ())
    return list(texts), list(labels), list(pairs)
