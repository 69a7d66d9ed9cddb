"""How often a trial will see its training data, known before it runs. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.benchmark.spec import TASKS
from ablative.trainables.benchmark.spec import num_examples
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.content import examples_folder
from ablative.trainables.data.content import last_content
from ablative.trainables.data.examples import EMPTY
from ablative.trainables.data.layout import image_folder_of
from ablative.trainables.data.layout import missing_files
from ablative.trainables.data.layout import task_folder
from ablative.trainables.data.load import load_split
from ablative.trainables.data.sources import CARVED_PERCENT
from ablative.trainables.data.sources import source
from ablative.trainables.data.stored import WHOLE
from ablative.trainables.errors import MissingData
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.trainable import Exposure
from ablative.trainables.training.order import Lengths
from ablative.trainables.training.order import mean_batch
from ablative.trainables.training.order import num_steps

COUNTED = 4096
"""Examples whose tokens are counted for a plan."""


class Exposures:
    """The exposure of trials; the examples of each data set are counted once."""

    def __init__(self, cache: Path) -> None:
        """`cache`: where prepared data sets are."""
        self._cache = cache
        self._counted: dict[tuple[Task, str], tuple[int | None, str]] = {}
        self._lengths: dict[tuple[Any, ...], Lengths | None] = {}

    def of(self, config: TrialConfig) -> Exposure:
        """Return the exposure of a trial of `config` in task training; a student's adaptation comes before that.

        A share of the data is rounded here, where a trial takes whole groups of each stratum.
        """
        key = config.task.part, config.task.data
        if key not in self._counted:
            self._counted[key] = self._count(*key)
        optim, (whole, note) = config.optim, self._counted[key]
        batch = self._batch(config)
        if batch is None:
            note = "; ".join(filter(None, (note, "batches by tokens are counted once the data are prepared")))
        if whole is None:
            fixed = optim.min_steps == optim.max_steps and batch is not None
            seen = round(batch * num_steps(optim, 1, batch)) if fixed and batch else None
            return Exposure(seen=seen, sequences_each=key[0].sequences_each, note=note)
        examples = max(1, round(config.task.data_fraction * whole))
        seen = None if batch is None else round(batch * num_steps(optim, examples, batch))
        return Exposure(examples=examples, seen=seen, sequences_each=key[0].sequences_each, note=note)

    def _batch(self, config: TrialConfig) -> float | None:
        """Return the number of examples in a step; None if that depends on tokens of data not yet prepared."""
        tokens = config.optim.batch_tokens
        if tokens is None:
            return config.optim.batch_size
        task, student = config.task, config.student
        key = task.part, task.data, task.inputs, student.preset, student.vocabulary
        if key not in self._lengths:
            self._lengths[key] = lengths_of_some(config, self._cache)
        found = self._lengths[key]
        return None if found is None else mean_batch(found, tokens)

    def _count(self, task: Task, data: str) -> tuple[int | None, str]:
        """Return the number of training examples, and the source of that number."""
        if data in SHIPPED_DATA:
            return (num_examples(data, task.name, "train"), "") if task.name in TASKS else (None, f"{data} has none")
        folder = Path(data).expanduser().absolute()
        if missing_files(task, folder):
            if not task.published_examples:
                return None, f"the files of {task.name} are not in {data}, so that its examples cannot be counted"
            origin = task.source(task.at(folder), "train") if task.source else None
            published = _share(task.published_examples, origin)
            return published, f"{task.name}: {published:,} examples, as published; its files are not in {data}"
        content = last_content(task, data, self._cache)
        whole = examples_folder(content, self._cache) / "train" / WHOLE if content else None
        if whole is not None and whole.is_file():
            stored: int = json.loads(whole.read_text(encoding="utf-8"))["num_examples"]
            return stored, ""
        origin = source(task, folder, "train")
        counted = _share(task.num_examples(origin), origin)
        return counted, f"{task.name}: about {counted:,} examples in {data}; `ablate data prepare` counts them"


def lengths_of_some(config: TrialConfig, cache: Path) -> Lengths | None:
    """Return the lengths of at most `COUNTED` training examples, evenly spread; None if they are not prepared."""
    from ablative.trainables.students.tokens import encode
    from ablative.trainables.vision.regions import open_regions

    task, student = config.task, config.student
    try:
        folder = task_folder(task.part, task.data, cache)
        regions = open_regions(cache, str(image_folder_of(task.part, folder)))
        split = load_split(task.part, task.data, "train", cache)
        some = [split.examples[i] for i in range(0, len(split.examples), -(-len(split.examples) // COUNTED))]
        seen = [1 if task.inputs == "text" else regions.num_regions(example.image) for example in some]
    except (FileNotFoundError, MissingData):
        return None
    candidates = [candidate for example in some for candidate in example.candidates]
    tokens = encode(
        [EMPTY] * len(candidates) if task.inputs == "image" else candidates,
        student.part.presets[student.preset].longest_text,
        student.vocabulary,
    )
    texts = tokens.lengths.reshape(len(some), -1).max(axis=1)
    return Lengths(texts=texts, seen=np.array(seen), each=len(some[0].candidates))


def _share(count: int, origin: Source | None) -> int:
    """Return the number of examples left in a source's files after another split is carved out of them."""
    return count * (100 - CARVED_PERCENT) // 100 if origin is not None and origin.part == "rest" else count
