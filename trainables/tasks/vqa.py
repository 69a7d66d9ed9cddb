"""VQA v2: open questions with ten human answers; VQA-CP v2 if its files are present."""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablative.trainables.parts.task import Reading
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.strangers import parsing
from ablative.trainables.tasks.vqa_files.layout import files
from ablative.trainables.tasks.vqa_files.layout import layout
from ablative.trainables.tasks.vqa_files.layout import source
from ablative.trainables.tasks.vqa_files.layout import splits
from ablative.trainables.tasks.vqa_files.options import VqaOptions
from ablative.trainables.tasks.vqa_files.visual_genome import QUESTIONS

if TYPE_CHECKING:
    import numpy as np

    from ablative.trainables.data.examples import Example
    from ablative.trainables.data.examples import TaskSplit

_ANSWER_TYPE_NAMES = {"yes/no": "yes_no"}


def _classes(place: TaskFolder) -> tuple[str, ...]:
    from ablative.trainables.tasks.vqa_files.reader import vocabulary

    return vocabulary(place)


def _read(reading: Reading) -> Iterator[Example]:
    from ablative.trainables.tasks.vqa_files.reader import read_vqa

    return read_vqa(reading.source, reading.slices, reading.classes)


def _num_examples(source: Source) -> int:
    from ablative.trainables.data.reading import count

    if source.blind:
        return count(source.files[0], b'"question_id"')
    of_genome = sum(count(path, b'"qa_id"') for path in source.files if path.name == QUESTIONS)
    annotated = source.files[1::2]  # Visual Genome's last pictures have no question
    return of_genome + sum(count(path, b'"question_id"') for path in annotated)


def _measure(split: TaskSplit, probabilities: Sequence[np.ndarray], scores: np.ndarray) -> dict[str, float]:
    """Return the official accuracy (the soft target of the predicted class) of all and of each answer type."""
    from ablative.trainables.data.metrics import by_slice
    from ablative.trainables.data.metrics import summary

    parts = by_slice(split, scores)
    for example, value in zip(split.examples, scores, strict=True):
        parts[_ANSWER_TYPE_NAMES.get(example.stratum, example.stratum)].append(float(value))
    return summary(parts)


def _submission(predictions: Mapping[str, str]) -> str:
    """Return VQA's JSON: `[{"question_id": int, "answer": str}, ...]`."""
    with parsing("submission", "VQA's server takes questions whose ids are whole numbers"):
        rows = [{"question_id": int(name), "answer": said} for name, said in predictions.items()]
    return json.dumps(rows) + "\n"


VQA = Task(
    name="vqa",
    description="Visual question answering: open questions, scored by how many of ten people gave the answer.",
    options=VqaOptions,
    layout=layout,
    splits=splits,
    known_splits=(
        "val",
        "test",
        "test_style",
        "test_priors",
        "test_counterexamples",
        "test_counterexamples_hard",
        "blind_dev",
        "blind_test",
    ),
    source=source,
    files=files,
    read=_read,
    num_examples=_num_examples,
    published_examples=443_757,
    classes=_classes,
    head="independent",
    hub_task="visual-question-answering",
    numbered_images=True,
    measure=_measure,
    metrics=("accuracy", "accuracy_yes_no", "accuracy_number", "accuracy_other"),
    submission=_submission,
    no_shifts="no shifted test is made here. VQA-CP v2 is a data set of its own (its folder is task.data); VQA-CE is "
    "read from counterexamples.json and hard.json (cdancette/detect-shortcuts) in the data folder.",
)

PARTS = [VQA]
