"""Every task that ships passes the contract, and the contract catches tasks that do not do what they say."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablative.testing.tasks import TaskContract
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import Text
from ablative.trainables.data.layout import image_folder_of
from ablative.trainables.data.readers import classes_of
from ablative.trainables.data.readers import read_examples
from ablative.trainables.data.sources import source
from ablative.trainables.parts.task import Reading
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.tasks.image_text_files.options import ImageTextOptions
from tests.helpers.own_pictures import inside
from tests.helpers.own_pictures import own_pictures
from tests.helpers.own_pictures import rows
from tests.helpers.own_pictures import write_parquet
from tests.helpers.sources import ROOT
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import draw_pictures
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import make_vqa_cp
from tests.unit.trainables.real_layouts import snli_ve_row
from tests.unit.trainables.real_layouts import vqa_entry
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_lines
from tests.unit.trainables.real_layouts import write_vqa
from tests.unit.trainables.real_layouts import write_vqa_questions


def pictured(task: Task, folder: Path) -> Path:
    """The folder with every picture that its rows name."""
    images = image_folder_of(task, folder)
    for split in task.splits(task.at(folder)):
        examples = read_examples(task, folder, split, source(task, folder, split), classes_of(task, folder))
        draw_pictures(images, {example.image for example in examples})
    return folder


class TestSnliVe(TaskContract):
    @pytest.fixture
    def part(self) -> Task:
        return TASKS["snli_ve"]

    @pytest.fixture
    def folder(self, part: Task, tmp_path: Path) -> Path:
        folder = make_snli_ve(tmp_path / "flickr")
        labels = ("contradiction", "neutral", "entailment", "-")
        for number, name in enumerate(("train", "dev", "test")):
            of_picture = [{"Flickr30K_ID": f"{number}{i // 4}", "sentence2": f"Man {i} sits."} for i in range(40)]
            lines = [snli_ve_row(f"{name}-{i}", labels[i % 4], **fields) for i, fields in enumerate(of_picture)]
            write_lines(folder / f"snli_ve_{name}.jsonl", lines)
        write_json(folder / "hypothesis_hard_test.json", ["test-1", "test-2"])
        header = ["", "pairID", "Flickr30kID", "hypothesis", "gold_label", "explanation"]
        rows = [[0, "test-1", "20.jpg", "Man 1, he sits.", "entailment", "He sits."]]
        with (folder / "esnlive_test.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return pictured(part, folder)


class TestVcr(TaskContract):
    @pytest.fixture
    def part(self) -> Task:
        return TASKS["vcr"]

    @pytest.fixture
    def folder(self, part: Task, tmp_path: Path) -> Path:
        return pictured(part, make_vcr(tmp_path / "vcr", train=80))


KINDS = (("yes/no", "yes"), ("number", "2"), ("other", "cat"))
"""Kinds of questions with an answer."""


class TestVqa(TaskContract):
    @pytest.fixture
    def part(self) -> Task:
        return TASKS["vqa"]

    @pytest.fixture
    def folder(self, part: Task, tmp_path: Path) -> Path:
        folder = tmp_path / "vqa"
        folder.mkdir()
        for subset, first in (("train2014", 0), ("val2014", 1000)):
            kinds = (("yes/no", "yes"), ("number", "2"), ("other", "cat"))
            entries = [
                vqa_entry(first + i, first + i // 2, [kinds[i % 3][1]] * 10, kinds[i % 3][0]) for i in range(160)
            ]
            write_vqa(folder, subset, entries)
        write_vqa_questions(folder, "test2015", [{"question_id": 7, "image_id": 3000, "question": "What?"}])
        write_json(folder / "counterexamples.json", [1001, 1002])
        return pictured(part, folder)


class TestVqaCp(TaskContract):
    @pytest.fixture
    def part(self) -> Task:
        return replace(TASKS["vqa"], metrics=("accuracy", "accuracy_other"))  # of the kinds of its questions here

    @pytest.fixture
    def folder(self, part: Task, tmp_path: Path) -> Path:
        folder = make_vqa_cp(tmp_path / "cp")
        for path in folder.glob("*_annotations.json"):
            entries = json.loads(path.read_text())
            told = [json.loads(json.dumps(e).replace("cat", "dog")) if n % 2 else e for n, e in enumerate(entries)]
            write_json(path, told)
        return pictured(part, folder)


SHIFT = ImageTextOptions.model_validate({"shift": {"column": "source", "values": ["web"]}})


class TestImageText(TaskContract):
    @pytest.fixture(params=["plain", "shifted", "inside"])
    def given(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def part(self, given: str) -> Task:
        return TASKS["image_text"].with_options(SHIFT if given == "shifted" else None)

    @pytest.fixture
    def folder(self, given: str, tmp_path: Path) -> Path:
        found = [row | {"source": "web" if number % 7 == 0 else "shop"} for number, row in enumerate(rows(80))]
        if given == "inside":
            return write_parquet(tmp_path / "own" / "metadata.parquet", inside(found)).parent
        return own_pictures(tmp_path / "own", found)


OWN = TASKS["image_text"]
CONTRACT = TaskContract()


def edited(change: Callable[[Example, str], Example | None], **changes: Any) -> Task:
    """The task with another reader, which changes the examples of each split, or leaves them out."""

    def read(reading: Reading) -> Iterator[Example]:
        made = (change(example, reading.split) for example in OWN.read(reading))
        return (example for example in made if example is not None)

    return replace(OWN, read=read, **changes)


def shuffled(reading: Reading) -> Iterator[Example]:
    found = [*OWN.read(reading)]
    random.Random().shuffle(found)
    return iter(found)


def drawn(reading: Reading) -> Iterator[Example]:
    return (example for example in OWN.read(reading) if random.random() < 2)


def without_files(place: TaskFolder) -> Iterator[Path]:
    return iter(())


def blind_test(place: TaskFolder, split: str) -> Source:
    assert OWN.source is not None
    return replace(OWN.source(place, split), blind=split == "test")


def constant(split: Any, probabilities: Any, scores: np.ndarray) -> dict[str, float]:
    return {"accuracy": 0.9, "macro_f1": 0.9, "f1_red": 0.9, "n": float(len(scores))}


def changing(split: Any, probabilities: Any, scores: np.ndarray) -> dict[str, float]:
    return OWN.measure(split, probabilities, scores) | {"accuracy": random.uniform(0.1, 0.9)}


def not_a_number(split: Any, probabilities: Any, scores: np.ndarray) -> dict[str, float]:
    return OWN.measure(split, probabilities, scores) | {"macro_f1": float("nan")}


def strangers_pairs(split: Any) -> list[Any]:
    first, *rest = OWN.pairs(split)
    return [replace(first, text=rest[0].text), *rest]


FAULTS: dict[str, tuple[Task, Callable[..., None], str]] = {
    "another order each time": (
        replace(OWN, read=shuffled),
        TaskContract.test_reading_twice_gives_the_same,
        "a second reading gives others",
    ),
    "draws": (
        replace(OWN, read=drawn),
        TaskContract.test_reading_twice_gives_the_same,
        "draws from the global generator",
    ),
    "ids twice": (
        edited(lambda e, split: replace(e, id=e.id[:-5], group=e.id[:-5])),
        TaskContract.test_every_usual_split_has_examples_with_ids_of_their_own,
        r"train: ids that occur twice: \['pics/00'",
    ),
    "rows that begin nowhere": (
        edited(lambda e, split: replace(e, group="row " + e.id)),
        TaskContract.test_every_usual_split_has_examples_with_ids_of_their_own,
        "begins_row is true of none or several",
    ),
    "an empty split": (
        edited(lambda e, split: None if split == "val" else e),
        TaskContract.test_every_usual_split_has_examples_with_ids_of_their_own,
        "val has no example",
    ),
    "a label outside the classes": (
        edited(lambda e, split: replace(e, targets=((3, 1.0),))),
        TaskContract.test_labels_lie_within_the_classes,
        r"example pics/000\.png: targets \(\(3, 1\.0\),\) outside the 3 there are",
    ),
    "no right answer": (
        edited(lambda e, split: replace(e, targets=())),
        TaskContract.test_labels_lie_within_the_classes,
        "none is right",
    ),
    "a score above 1": (
        edited(lambda e, split: replace(e, targets=((0, 1.5),))),
        TaskContract.test_labels_lie_within_the_classes,
        "wanted 0 to 1",
    ),
    "classes beside candidates": (
        replace(OWN, head="candidates"),
        TaskContract.test_labels_lie_within_the_classes,
        "head candidates with the classes",
    ),
    "a picture outside": (
        edited(lambda e, split: replace(e, image=f"../own/{e.image}")),
        TaskContract.test_pictures_lie_in_the_folder_and_can_be_read,
        r"'\.\./own/pics/000\.png' lies outside the image folder; check names with picture_name",
    ),
    "a picture that is not there": (
        edited(lambda e, split: replace(e, image=f"more/{e.image}")),
        TaskContract.test_pictures_lie_in_the_folder_and_can_be_read,
        r"no .*more/pics/000\.png",
    ),
    "a picture of train in the test": (
        edited(lambda e, split: replace(e, image="pics/000.png")),
        TaskContract.test_no_picture_is_in_two_of_train_val_and_test,
        r"pictures of train that val has too: \['pics/000\.png'\]",
    ),
    "metrics that are never given": (
        replace(OWN, metrics=("accuracy", "auroc")),
        TaskContract.test_it_measures_what_it_lists,
        "measure never gives auroc, which metrics lists",
    ),
    "an accuracy that is made up": (
        replace(OWN, measure=constant),
        TaskContract.test_it_measures_what_it_lists,
        r"right answers have the accuracy 0\.900, wrong ones 0\.900",
    ),
    "a metric that changes by itself": (
        replace(OWN, measure=changing),
        TaskContract.test_it_says_what_the_majority_class_would_reach,
        r"majority_accuracy is 0\.\d+; who always says the class reaches 0\.",
    ),
    "a metric that is no result": (
        replace(OWN, metrics=("accuracy", "majority_accuracy")),
        TaskContract.test_it_says_what_the_majority_class_would_reach,
        "metrics lists majority_accuracy; ",
    ),
    "a metric that is no number": (
        replace(OWN, measure=not_a_number),
        TaskContract.test_it_measures_what_it_lists,
        r"macro_f1 is \[nan, nan\]",
    ),
    "a blind split with labels": (
        replace(OWN, source=blind_test),
        TaskContract.test_blind_splits_have_no_labels_and_others_do,
        "test: source says blind=True",
    ),
    "an unknown split": (
        replace(OWN, known_splits=("val", "train")),
        TaskContract.test_its_splits_are_known_and_read_from_files_that_count,
        "add test to known_splits",
    ),
    "files that do not count": (
        replace(OWN, files=without_files),
        TaskContract.test_its_splits_are_known_and_read_from_files_that_count,
        "train is read from files that `files` does not list",
    ),
    "a guess out of thin air": (
        replace(OWN, num_examples=lambda origin: 7_000_000),
        TaskContract.test_its_guess_of_how_many_examples_there_are_is_near,
        "num_examples says 7000000 of train's 64",
    ),
    "texts of other pictures as pairs": (
        replace(OWN, pairs=strangers_pairs),
        TaskContract.test_pairs_are_of_the_split,
        r"no example has pics/000\.png with 'a green sheet, number 1'",
    ),
    "an empty text": (
        edited(lambda e, split: replace(e, candidates=(Candidate(query=Text(text=" ")),))),
        TaskContract.test_texts_are_there_and_can_be_stored,
        "an empty text",
    ),
    "a layout that fits any folder": (
        replace(OWN, layout=lambda place: replace(OWN.layout(place), required=())),
        TaskContract.test_its_layout_tells_its_folder,
        "layout requires no file",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, tmp_path: Path) -> None:
    """By one test of the contract, which passes for the sound task."""
    part, test, said = FAULTS[fault]
    folder = own_pictures(tmp_path / "own", rows(80))
    needed = test.__code__.co_varnames[: test.__code__.co_argcount]
    for place in ("sound", "faulty"):
        (tmp_path / place).mkdir()
    given = {"folder": folder}

    def run(task: Task, place: str) -> None:
        own = {"tmp_path": tmp_path / place} if "tmp_path" in needed else {}
        test(CONTRACT, task, **given, **own)

    run(OWN, "sound")
    with pytest.raises((AssertionError, pytest.fail.Exception), match=said) as caught:
        run(part, "faulty")
    assert str(caught.value).startswith(f"{part.defined_at}: task image_text: ")


@pytest.mark.slow
def test_the_test_of_a_task_on_the_page_passes(tmp_path: Path) -> None:
    """As a person has it who copies it: a file beside her task, and nothing of this repository's tests."""
    page = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8").partition("## A task")[2]
    (snippet,) = re.findall(r"^```python\n(.*?class TestCaptions.*?)^```", page, re.MULTILINE | re.DOTALL)[:1]
    (tmp_path / "test_captions.py").write_text(snippet, encoding="utf-8")
    shutil.copy(ROOT / "docs" / "examples" / "own_task.py", tmp_path)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout
    tests = [name for name in vars(TaskContract) if name.startswith("test_")]
    assert f"{len(tests)} passed" in ran.stdout
