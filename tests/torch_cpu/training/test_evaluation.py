"""Evaluation goes through a split by the length of its texts; what comes out is in the split's order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ablative.trainables.config import OptimConfig
from ablative.trainables.config import StudentConfig
from ablative.trainables.data.load import load_split
from ablative.trainables.students.heads import probabilities
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import build_student
from ablative.trainables.training.evaluation import predict
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.vision.regions import open_regions
from tests.helpers.tasks import TASKS

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")


def parts(task: str, cache: Path, shown: str = "both") -> tuple[SplitInputs, StudentModule]:
    split = load_split(TASKS[task], "mini_smoke", "val", cache)
    inputs = SplitInputs(split, open_regions(cache, split.image_folder), max_tokens=64, shown=shown)
    torch.manual_seed(3)
    student = build_student(StudentConfig(), head=split.task.head, num_classes=len(split.classes), region_width=1280)
    return inputs, student


@pytest.mark.parametrize("task", ["snli_ve", "vqa", "vcr"])
def test_each_row_is_what_its_example_gives_alone(task: str, cache: Path) -> None:
    inputs, student = parts(task, cache)
    together = predict(student, inputs, CPU, OptimConfig())
    alone = [inputs.batch(np.array([i])) for i in range(len(inputs))]
    student.eval()
    with torch.inference_mode():
        rows = [probabilities(TASKS[task].head, student(one.inputs).logits, inputs.num_candidates) for one in alone]

    assert np.allclose(together, torch.cat(rows).numpy(), atol=1e-5)


def test_batches_hold_every_example_once_and_rise_in_length(cache: Path) -> None:
    inputs, _ = parts("vcr", cache)
    batches = [inputs.batch(indices) for indices in inputs.in_order_of_length(7)]
    lengths = [batch.inputs.ids_BL.shape[1] for batch in batches]

    assert sorted(np.concatenate([batch.indices for batch in batches])) == list(range(len(inputs)))
    assert lengths == sorted(lengths)


def test_a_split_that_is_read_again_keeps_its_encoded_texts_and_another_view_of_it_does_not(cache: Path) -> None:
    first, again, blanked = (parts("snli_ve", cache, shown)[0] for shown in ("both", "both", "image"))

    assert again.tokens is first.tokens
    assert blanked.tokens is not first.tokens


def test_bfloat16_is_the_precision_of_evaluation_too(cache: Path) -> None:
    inputs, student = parts("snli_ve", cache)
    exact, rounded = (predict(student, inputs, CPU, OptimConfig(precision=p)) for p in ("float32", "bfloat16"))

    assert not np.array_equal(exact, rounded)
    assert np.allclose(exact, rounded, atol=0.05)
