"""What the most frequent class of training would reach, in each task's own metrics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ablative.trainables.course import Evaluation
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.data.majority import beside_the_majority
from ablative.trainables.data.majority import majority_class
from ablative.trainables.data.majority import majority_metrics
from ablative.trainables.data.stored import WHOLE
from ablative.trainables.data.stored import read_stored
from ablative.trainables.data.stored import write_examples
from ablative.trainables.job import Prediction
from tests.helpers.tasks import TASKS


def example(name: str, targets: dict[int, float], *, stratum: str = "x", group: str = "", count: int = 1) -> Example:
    return Example(
        id=name,
        image="a.jpg",
        candidates=tuple(Candidate(query=Text(text="?"), response=Text(text="!")) for _ in range(count)),
        targets=tuple(targets.items()),
        stratum=stratum,
        group=group or name,
    )


def split(task: str, *examples: Example, classes: tuple[str, ...] = ("a", "b", "c")) -> TaskSplit:
    return TaskSplit(task=TASKS[task], split="test", examples=examples, image_folder="", boxes={}, classes=classes)


def test_soft_targets_are_added_up_and_a_tie_goes_to_the_first() -> None:
    train = split("vqa", example("1", {1: 1.0}), example("2", {2: 0.6}), example("3", {2: 0.6}), example("4", {}))

    assert majority_class(train) == 2
    assert majority_class(split("vqa", example("1", {2: 1.0}), example("2", {1: 1.0}))) == 1


def test_stored_examples_have_the_same_majority(tmp_path: Path) -> None:
    train = split("vqa", example("1", {1: 1.0}), example("2", {2: 0.6}), example("3", {2: 0.6}), example("4", {}))
    write_examples(tmp_path, 0, train.examples[:2], [])
    write_examples(tmp_path, 1, train.examples[2:], [])
    (tmp_path / WHOLE).write_text('{"num_files": 2}')

    assert majority_class(replace(train, examples=read_stored(tmp_path)[0])) == 2


def test_the_class_of_train_is_scored_on_the_split_in_the_tasks_own_metrics() -> None:
    rows = [example("1", {0: 1.0}), example("2", {0: 1.0}), example("3", {2: 1.0}), example("4", {1: 1.0})]
    found = majority_metrics(split("image_text", *rows), 2)

    assert found["majority_accuracy"] == 0.25
    assert found["majority_f1_c"] == pytest.approx(2 / 5)
    assert found["majority_macro_f1"] == pytest.approx(2 / 5 / 3)
    assert "majority_n" not in found


def test_vcr_counts_a_place_among_the_candidates_and_both_modes_together() -> None:
    rows = [
        example("g0/qa", {2: 1.0}, stratum="qa", group="g0", count=4),
        example("g0/qar", {2: 1.0}, stratum="qar", group="g0", count=4),
        example("g1/qa", {2: 1.0}, stratum="qa", group="g1", count=4),
        example("g1/qar", {0: 1.0}, stratum="qar", group="g1", count=4),
    ]
    found = majority_metrics(split("vcr", *rows, classes=()), 2)

    assert found == {"majority_accuracy": 0.5, "majority_accuracy_q_a": 1.0, "majority_accuracy_qa_r": 0.5}


def test_a_blind_split_has_no_majority_and_one_class_is_told_from_two() -> None:
    rows = split("snli_ve", example("1", {0: 1.0}), example("2", {1: 1.0}))

    def of(*predictions: str) -> Evaluation:
        said = (Prediction(split="test", example_id=str(i), prediction=p, score=0) for i, p in enumerate(predictions))
        return Evaluation(metrics={"accuracy": 0.5}, predictions=tuple(said))

    assert beside_the_majority(of("a", "a"), rows, 0).metrics["most_said"] == 1.0
    assert beside_the_majority(of("a", "b"), rows, 0).metrics["most_said"] == 0.5
    assert beside_the_majority(of("a"), replace(rows, labelled=False), 0).metrics == {"accuracy": 0.5}
