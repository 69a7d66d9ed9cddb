"""How often a trial will see its training data, known before it runs. Imports no torch, and reads no example."""

from __future__ import annotations

import json
from pathlib import Path

from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.benchmark.spec import TASKS
from ablative.trainables.benchmark.spec import num_examples
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.content import examples_folder
from ablative.trainables.data.content import last_content
from ablative.trainables.data.layout import missing_files
from ablative.trainables.data.sources import CARVED_PERCENT
from ablative.trainables.data.sources import source
from ablative.trainables.data.stored import WHOLE
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.trainable import Exposure
from ablative.trainables.training.order import num_steps


class Exposures:
    """The exposure of trials; the examples of each data set are counted once."""

    def __init__(self, cache: Path) -> None:
        """`cache`: where prepared data sets are."""
        self._cache = cache
        self._counted: dict[tuple[Task, str], tuple[int | None, str]] = {}

    def of(self, config: TrialConfig) -> Exposure:
        """Return what a trial of `config` sees in its task training; that of an adapted student comes before it.

        A share of the data is rounded here, where a trial takes whole groups of each stratum.
        """
        key = config.task.part, config.task.data
        if key not in self._counted:
            self._counted[key] = self._count(*key)
        optim, (whole, note) = config.optim, self._counted[key]
        if whole is None:
            fixed = optim.min_steps == optim.max_steps
            seen = optim.batch_size * num_steps(optim, 1) if fixed else None
            return Exposure(seen=seen, sequences_each=key[0].sequences_each, note=note)
        examples = max(1, round(config.task.data_fraction * whole))
        seen = optim.batch_size * num_steps(optim, examples)
        return Exposure(examples=examples, seen=seen, sequences_each=key[0].sequences_each, note=note)

    def _count(self, task: Task, data: str) -> tuple[int | None, str]:
        """Return how many examples train has, and where the number is from."""
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


def _share(count: int, origin: Source | None) -> int:
    """Return what is left of the examples of a source's files where another split is carved out of them."""
    return count * (100 - CARVED_PERCENT) // 100 if origin is not None and origin.part == "rest" else count
