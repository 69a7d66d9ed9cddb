"""VQA trains on its val too, and on Visual Genome's questions, without seeing a picture that it is measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.data.load import load_split
from ablative.trainables.data.sources import data_files
from ablative.trainables.data.sources import is_carved
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from ablative.trainables.identity import without_places
from ablative.trainables.parts.task import Task
from ablative.trainables.tasks.vqa_files.options import VqaOptions
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_vqa_cp
from tests.unit.trainables.real_layouts import vqa_entry
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_vqa


def vqa(**options: Any) -> Task:
    return TASKS["vqa"].with_options(VqaOptions.model_validate(options))


BOTH, GENOME = {"train_on": "train_val"}, {"visual_genome": True}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """200 pictures of each half with a question each, and Visual Genome's questions on some of both."""
    place = tmp_path / "vqa"
    place.mkdir()
    for subset, first in (("train2014", 0), ("val2014", 1000)):
        write_vqa(place, subset, [vqa_entry(first + i, first + i, ["cat"] * 10) for i in range(200)])
    images: list[dict[str, Any]] = [
        {"image_id": 500 + i, "coco_id": number, "width": 9, "height": 9}
        for i, number in enumerate((*range(200), *range(1000, 1200), None))
    ]
    write_json(place / "image_data.json", images)
    asked = [
        {
            "id": image["image_id"],
            "qas": [
                {"a_objects": [], "question": "What is it?", "image_id": 1, "qa_id": 7000 + i, "answer": "Cat."},
                {"a_objects": [], "question": "What is big?", "image_id": 1, "qa_id": 9000 + i, "answer": "A barn."},
            ],
        }
        for i, image in enumerate(images)
    ]
    write_json(place / "question_answers.json", asked)
    return place


def ids(folder: Path, split: str, **options: Any) -> dict[str, str]:
    found = load_split(vqa(**options), str(folder), split, folder / "cache")
    return {example.id: example.image for example in found.examples}


def test_without_an_option_it_trains_on_train_alone(folder: Path) -> None:
    assert {image.partition("/")[0] for image in ids(folder, "train").values()} == {"train2014"}
    assert len(ids(folder, "test")) == 200
    assert not {"question_answers.json", "image_data.json"} & {path.name for path in data_files(vqa(), folder)}
    config = TrialConfig.model_validate({"task": {"name": "vqa"}})
    assert "vqa" not in without_places(canonical(config)).get("task", {}), "ids stay as they were"


def test_val_is_trained_on_but_for_the_carved_pictures_which_are_the_test(folder: Path) -> None:
    train, val, test = (ids(folder, split, **BOTH) for split in ("train", "val", "test"))

    assert {image.partition("/")[0] for image in train.values()} == {"train2014", "val2014"}
    assert {image.partition("/")[0] for image in val.values()} == {"train2014"}
    assert {image.partition("/")[0] for image in test.values()} == {"val2014"}
    assert not any(map(is_carved, train.values())) and all(map(is_carved, (*val.values(), *test.values())))
    assert len(train) + len(val) + len(test) == 400


@pytest.mark.parametrize("options", [GENOME, GENOME | BOTH])
def test_visual_genomes_questions_are_of_pictures_that_are_trained_on(folder: Path, options: dict[str, Any]) -> None:
    found = load_split(vqa(**options), str(folder), "train", folder / "cache")
    added = [example for example in found.examples if example.id.startswith("vg")]
    own = {example.image for example in found.examples if not example.id.startswith("vg")}

    assert {example.image for example in added} == own
    assert {example.id for example in added} <= {f"vg{7000 + i}" for i in range(400)}, "no barn, which is no class"
    assert {example.targets for example in added} == {((0, 1.0),)}
    assert {example.candidates[0].query.text for example in added} == {"What is it?"}
    assert ids(folder, "val", **options) == ids(folder, "val")
    there = {path.name for path in data_files(vqa(**options), folder)}
    assert {"question_answers.json", "image_data.json"} <= there


def test_its_guess_of_how_many_examples_there_are_counts_every_file(folder: Path) -> None:
    task = vqa(**BOTH, **GENOME)
    assert task.source is not None
    assert task.num_examples(task.source(task.at(folder), "train")) == 200 + 200 + 2 * 401


def test_what_cannot_be_trained_on_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"task\.vqa\.train_on=train_val: VQA-CP .* has no val; use train"):
        ids(make_vqa_cp(tmp_path / "cp"), "train", **BOTH)
    write_json(folder / "question_answers.json", [{"id": 500}])
    with pytest.raises(UnreadableData, match=r"question_answers\.json, line 1: field 'qas' is missing"):
        ids(folder, "train", **GENOME)
    (folder / "image_data.json").unlink()
    with pytest.raises(MissingData, match=r"image_data\.json does not exist"):
        ids(folder, "train", **GENOME)
