"""Blind splits and the files that leaderboards take."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.data.metrics import score
from ablative.trainables.data.splits import splits_of
from ablative.trainables.data.submission import submission
from ablative.trainables.data.submission import written
from ablative.trainables.errors import UnreadableData
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import make_vqa
from tests.unit.trainables.real_layouts import write_vqa_questions


def blind(task: str, folder: Path, split: str = "blind_test") -> TaskSplit:
    return load_split(TASKS[task], str(folder), split, folder / "cache")


def test_vcr_without_labels_asks_for_the_rationale_behind_every_answer(tmp_path: Path) -> None:
    split = blind("vcr", make_vcr(tmp_path))

    assert [example.id for example in split.examples] == ["test-0/qa", *(f"test-0/qar/{i}" for i in range(4))]
    assert not split.labelled
    assert [e.candidates[0].query.text.removeprefix("Why is Alex near dog ? ") for e in split.examples[1:]] == [
        "Alex and Robin like dogs",
        "A",
        "B",
        "C",
    ]
    assert {e.candidates[0].response_segment for e in split.examples[1:]} == {3}
    assert all(example.targets == () for example in split.examples)


def test_a_blind_split_has_a_count_and_no_metric(tmp_path: Path) -> None:
    split = blind("vcr", make_vcr(tmp_path))
    metrics, scores = score(split, np.full((5, 4), 0.25))

    assert metrics == {"n": 5.0}
    assert all(math.isnan(value) for value in scores)


def test_vcr_submission_has_the_leaderboards_twenty_columns(tmp_path: Path) -> None:
    split = blind("vcr", make_vcr(tmp_path))
    rows = [[0.1 * i, 0.2, 0.3, 0.4] for i in range(5)]
    said = {e.id: written(row) for e, row in zip(split.examples, rows, strict=True)}
    (row,) = csv.DictReader(io.StringIO(submission(TASKS["vcr"], said)))

    assert len(row) == 21
    assert row["annot_id"] == "test-0"
    assert [float(row[f"answer_{j}"]) for j in range(4)] == [0.0, 0.2, 0.3, 0.4]
    assert [float(row[f"rationale_conditioned_on_a{i}_0"]) for i in range(4)] == [0.1, 0.2, 0.3, 0.4]
    assert list(row)[4:7] == ["answer_3", "rationale_conditioned_on_a0_0", "rationale_conditioned_on_a0_1"]

    said.pop("test-0/qar/2")
    with pytest.raises(UnreadableData, match="no prediction for test-0/qar/2"):
        submission(TASKS["vcr"], said)
    with pytest.raises(UnreadableData, match="not a list of probabilities"):
        submission(TASKS["vcr"], {"test-0/qa": "yes"})
    for damaged in ("[0.1, 0.2, NaN, 0.4]", "[1, 2]", "[" * 100_000, "{}", "[null, 1, 2, 3]"):
        with pytest.raises(UnreadableData, match=r"test-0/qa: .{1,250} is not a list of probabilities"):
            submission(TASKS["vcr"], {"test-0/qa": damaged})


def test_vqa_submission_refuses_ids_that_its_server_does_not_know() -> None:
    with pytest.raises(UnreadableData, match="whole numbers"):
        submission(TASKS["vqa"], {"q-1": "cat"})


def test_vcr_submission_keeps_an_annotations_whole_id() -> None:
    said = {f"film/7/{part}": "[0.1, 0.2, 0.3, 0.4]" for part in ("qa", *(f"qar/{i}" for i in range(4)))}
    (row,) = csv.DictReader(io.StringIO(submission(TASKS["vcr"], said)))

    assert row["annot_id"] == "film/7"


def test_vqa_submission_answers_every_question_of_the_blind_files(tmp_path: Path) -> None:
    make_vqa(tmp_path)
    rows = [{"image_id": 7, "question": "What  IS it?", "question_id": 7000}]
    write_vqa_questions(tmp_path, "test2015", rows)
    write_vqa_questions(tmp_path, "test-dev2015", rows)
    split = blind("vqa", tmp_path, "blind_dev")
    (example,) = split.examples

    assert splits_of(TASKS["vqa"], str(tmp_path))[-2:] == ("blind_dev", "blind_test")
    assert example.image == "test2015/COCO_test2015_000000000007.jpg"
    assert (example.candidates[0].query.text, split.classes) == ("What IS it?", ("cat", "dog"))
    assert json.loads(submission(TASKS["vqa"], {example.id: "dog"})) == [{"question_id": 7000, "answer": "dog"}]


def test_a_task_with_public_labels_has_neither_blind_split_nor_submission(tmp_path: Path) -> None:
    assert not any(name.startswith("blind") for name in splits_of(TASKS["snli_ve"], str(make_snli_ve(tmp_path))))
    with pytest.raises(UnreadableData, match="labels are public"):
        submission(TASKS["snli_ve"], {})
