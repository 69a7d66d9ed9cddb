"""VCR: a question about people, four answers, and four rationales for the right answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablative.progress import Progress
from ablative.trainables.parts.task import Reading
from ablative.trainables.parts.task import Shift
from ablative.trainables.parts.task import Shifts
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.tasks.vcr_files.layout import files
from ablative.trainables.tasks.vcr_files.layout import layout
from ablative.trainables.tasks.vcr_files.layout import source
from ablative.trainables.tasks.vcr_files.layout import splits

if TYPE_CHECKING:
    import numpy as np

    from ablative.trainables.data.examples import Example
    from ablative.trainables.data.examples import TaskSplit
    from ablative.trainables.data.pairs import Pair

_ANSWER = "qa"
_MODES = {_ANSWER: "q_a", "qar": "qa_r"}
"""Stratum of an example -> the mode's name in metrics."""


def _read(reading: Reading) -> Iterator[Example]:
    from ablative.trainables.tasks.vcr_files.reader import read_vcr

    return read_vcr(reading.source, reading.slices)


def _num_examples(source: Source) -> int:
    from ablative.trainables.data.reading import count

    return count(source.files[-1], b"\n") * (5 if source.blind else 2)


def _begins_row(example: Example) -> bool:
    return example.id == f"{example.group}/{_ANSWER}"


def _measure(split: TaskSplit, probabilities: Sequence[np.ndarray], scores: np.ndarray) -> dict[str, float]:
    """Return Q->AR, the share of annotations with both answer and rationale right, for all and each slice.

    It is not the product of the two rates; `accuracy_q_a` and `accuracy_qa_r` are the two modes.
    """
    from ablative.trainables.data.metrics import summary

    parts: dict[str, list[float]] = defaultdict(list)
    both: dict[str, float] = {}
    slices: dict[str, tuple[str, ...]] = {}
    for example, value in zip(split.examples, scores, strict=True):
        parts[_MODES[example.stratum]].append(float(value))
        both[example.group] = both.get(example.group, 1.0) * float(value)
        slices[example.group] = example.slices
    parts[""] = list(both.values())
    for group, value in both.items():
        for name in slices[group]:
            parts[name].append(value)
    return summary(parts)


def _pairs(split: TaskSplit) -> list[Pair]:
    from ablative.trainables.data.pairs import right_candidates

    return right_candidates(split)


def _submission(predictions: Mapping[str, str]) -> str:
    from ablative.trainables.tasks.vcr_files.submission import submission

    return submission(predictions)


def _make_shifts(place: TaskFolder, progress: Progress, scores: Path | None) -> list[Shift]:
    from ablative.trainables.tasks.vcr_files.shifts import make_shifts

    return make_shifts(place, progress, scores)


VCR = Task(
    name="vcr",
    description="Visual commonsense reasoning: choose the answer of four, then the rationale of four.",
    layout=layout,
    splits=splits,
    known_splits=(
        "val",
        "test",
        "test_style",
        "test_shortcuts",
        "test_rule_singular",
        "test_rule_plural",
        "test_adv_top1",
        "test_keep_top1",
        "test_keep_top3",
        "test_keep_top5",
        "blind_test",
    ),
    source=source,
    files=files,
    read=_read,
    num_examples=_num_examples,
    published_examples=2 * 212_923,
    sequences_each=4,
    begins_row=_begins_row,
    refers_to_boxes=True,
    head="candidates",
    hub_task="visual-question-answering",
    measure=_measure,
    metrics=("accuracy", "accuracy_q_a", "accuracy_qa_r"),
    pairs=_pairs,
    submission=_submission,
    shifts=Shifts(
        make=_make_shifts,
        of=("train", "test"),
        published={"val_rule_singular.jsonl": 16_154, "val_rule_plural.jsonl": 3_657},
        published_of=26_534,
    ),
)

PARTS = [VCR]
