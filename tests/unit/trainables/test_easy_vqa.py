"""easy-VQA through the reader of VQA v2: from files of the package's form, and from the package."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablative.trainables.data.load import load_split
from ablative.trainables.data.metrics import score
from ablative.trainables.tasks.vqa_files.easy_vqa import package_data
from ablative.trainables.tasks.vqa_files.easy_vqa import write_easy_vqa
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import write_json


def make_package_data(folder: Path) -> Path:
    asked = {
        "train": [["what shape is this?", "circle", 0], ["is a circle here?", "yes", 0]] * 12,
        "test": [["what shape is this?", "circle", 0], ["is a circle here?", "no", 0]],
    }
    for part, triples in asked.items():
        write_json(folder / part / "questions.json", triples)
        (folder / part / "images").mkdir()
        Image.new("RGB", (8, 8), (200, 10, 10)).save(folder / part / "images" / "0.png")
    return folder


def test_the_parts_become_train_and_val_of_vqa(tmp_path: Path) -> None:
    counts = write_easy_vqa(make_package_data(tmp_path / "package"), tmp_path / "vqa")
    split = load_split(TASKS["vqa"], str(tmp_path / "vqa"), "test", tmp_path / "cache")

    assert counts == {"train": 24, "test": 2}
    assert split.classes == ("circle", "yes")  # given to nine questions or more
    assert [(e.id, e.stratum, e.targets) for e in split.examples] == [
        ("1000000", "other", ((0, 1.0),)),
        ("1000001", "yes/no", ()),
    ]
    picture = tmp_path / "vqa" / split.examples[0].image
    assert Image.open(io.BytesIO(picture.read_bytes())).size == (8, 8)


def test_the_first_pictures_of_test_are_kept_with_all_their_questions_and_train_stays_whole(tmp_path: Path) -> None:
    data = make_package_data(tmp_path / "package")
    asked = [["what shape is this?", "circle", 1], ["what shape is this?", "circle", 0], ["is it red?", "yes", 0]]
    write_json(data / "test" / "questions.json", asked)

    counts = write_easy_vqa(data, tmp_path / "vqa", test_pictures=1)

    assert counts == {"train": 24, "test": 2}
    assert [file.name for file in (tmp_path / "vqa" / "val2014").iterdir()] == ["COCO_val2014_000001000000.jpg"]


@pytest.mark.slow
def test_the_package_gives_all_questions_and_thirteen_classes(tmp_path: Path) -> None:
    counts = write_easy_vqa(package_data(), tmp_path / "vqa")
    splits = {
        name: load_split(TASKS["vqa"], str(tmp_path / "vqa"), name, tmp_path) for name in ("train", "val", "test")
    }
    test = splits["test"]

    assert counts == {"train": 38_575, "test": 9_673}
    assert len(splits["train"].examples) + len(splits["val"].examples) == 38_575
    assert len(test.classes) == 13
    right = np.eye(13)[[example.targets[0][0] for example in test.examples]]
    assert score(test, right)[0]["accuracy"] == 1.0  # every answer is a class
