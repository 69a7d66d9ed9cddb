"""Official metrics on splits small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.data.metrics import score
from ablative.trainables.errors import NonFinite
from tests.helpers.tasks import TASKS


def example(name: str, targets: dict[int, float], *, stratum: str = "x", group: str = "", **kept: object) -> Example:
    return Example(
        id=name,
        image="a.jpg",
        candidates=(Candidate(query=Text(text="?")),),
        targets=tuple(targets.items()),
        stratum=stratum,
        group=group or name,
        **kept,  # type: ignore[arg-type]
    )


def split(task: str, *examples: Example, classes: tuple[str, ...] = ("a", "b", "c")) -> TaskSplit:
    return TaskSplit(task=TASKS[task], split="test", examples=examples, image_folder="", boxes={}, classes=classes)


def choosing(*places: int, width: int = 4) -> np.ndarray:
    return np.eye(width)[list(places)]


def test_vcr_counts_annotations_with_both_right_not_the_product_of_rates() -> None:
    kinds = [("qa", 0), ("qar", 1), ("qa", 2), ("qar", 3)]
    rows = [
        example(f"{g}/{mode}", {place: 1.0}, stratum=mode, group=g, slices=("hard",) if g == "g0" else ())
        for g, pair in (("g0", kinds[:2]), ("g1", kinds[2:]))
        for mode, place in pair
    ]
    metrics, scores = score(split("vcr", *rows, classes=()), choosing(0, 1, 2, 0))

    assert scores.tolist() == [1, 1, 1, 0]
    assert metrics["accuracy_q_a"] == 1.0
    assert metrics["accuracy_qa_r"] == 0.5
    assert metrics["accuracy"] == 0.5
    assert (metrics["n"], metrics["n_q_a"], metrics["accuracy_hard"], metrics["n_hard"]) == (2, 2, 1.0, 1)

    crossed, _ = score(split("vcr", *rows, classes=()), choosing(0, 0, 0, 3))
    assert (crossed["accuracy_q_a"], crossed["accuracy_qa_r"], crossed["accuracy"]) == (0.5, 0.5, 0.0)


def test_vqa_scores_the_soft_target_for_each_answer_type() -> None:
    rows = [
        example("1", {0: 0.9, 1: 0.3}, stratum="yes/no"),
        example("2", {2: 1.0}, stratum="number"),
        example("3", {}, stratum="other"),  # no class is right: nothing scores
        example("4", {1: 0.6}, stratum="other"),
    ]
    metrics, scores = score(split("vqa", *rows), choosing(1, 2, 0, 1, width=3))

    assert scores.tolist() == [0.3, 1.0, 0.0, 0.6]
    assert metrics["accuracy"] == pytest.approx(1.9 / 4)
    assert metrics["accuracy_yes_no"] == pytest.approx(0.3)
    assert metrics["accuracy_other"] == pytest.approx(0.3)
    assert (metrics["n"], metrics["n_number"], metrics["n_other"]) == (4, 1, 2)


def test_snli_ve_reports_each_slice_with_its_size() -> None:
    rows = [
        example("1", {0: 1.0}, slices=("seen",)),
        example("2", {1: 1.0}, slices=("seen",)),
        example("3", {2: 1.0}, slices=("heldout_known",)),
    ]
    metrics, _ = score(split("snli_ve", *rows), choosing(0, 0, 2, width=3))

    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert (metrics["accuracy_seen"], metrics["n_seen"]) == (0.5, 2)
    assert (metrics["accuracy_heldout_known"], metrics["n_heldout_known"]) == (1.0, 1)


def test_not_a_number_is_non_finite_and_a_missing_row_is_an_error() -> None:
    row = example("1", {0: 1.0})

    with pytest.raises(NonFinite, match="example 1"):
        score(split("snli_ve", row), np.array([[0.1, np.nan, 0.2]]))
    with pytest.raises(ValueError, match="2 rows for 1 examples"):
        score(split("snli_ve", row), choosing(0, 1, width=3))
