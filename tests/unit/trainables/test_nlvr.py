"""NLVR through the reader of SNLI-VE: from small files in the published form."""

from __future__ import annotations

import json
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from PIL import ImageDraw

from ablative.orchestrator.commands.cli import ablate
from ablative.progress import silent
from ablative.trainables.data.load import load_split
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from ablative.trainables.tasks.snli_ve_files.nlvr import write_nlvr
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import write_lines

COLOURS = {"Yellow": (255, 255, 0), "Black": (0, 0, 0), "#0099ff": (0, 153, 255)}
SHAPES: list[list[dict[str, Any]]] = [
    [{"y_loc": 80, "type": "square", "color": "Yellow", "x_loc": 40, "size": 20}],
    [{"y_loc": 21, "type": "circle", "color": "#0099ff", "x_loc": 70, "size": 30}],
    [
        {"y_loc": 5, "type": "square", "color": "Black", "x_loc": 0, "size": 10},
        {"y_loc": 60, "type": "triangle", "color": "Yellow", "x_loc": 33, "size": 20},
    ],
]


def statement(name: str, label: str = "true", **changes: Any) -> dict[str, Any]:
    said = {"sentence": "There is a Yellow block.", "label": label, "identifier": name, "directory": "3"}
    return {**said, "evals": {"r0": label}, "structured_rep": SHAPES, **changes}


def draw(path: Path, order: tuple[int, ...]) -> None:
    picture = Image.new("RGBA", (400, 100), (255, 255, 255, 255))
    pen = ImageDraw.Draw(picture)
    for place, box in enumerate(order):
        pen.rectangle((150 * place, 0, 150 * place + 99, 99), fill=(200, 200, 200))
        for shape in SHAPES[box]:
            x, y = 150 * place + shape["x_loc"], shape["y_loc"]
            pen.rectangle((x, y, x + shape["size"] - 1, y + shape["size"] - 1), fill=COLOURS[shape["color"]])
    picture.save(path)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Two statements of train and one of dev and test, with six pictures each, as the repository has them."""
    rows = {"train": [statement("17-0"), statement("17-1", "false")], "dev": [statement("4-2")]}
    rows["test"] = [statement("4-3", "false")]
    for split, found in rows.items():
        write_lines(tmp_path / "nlvr" / split / f"{split}.json", found)
        (tmp_path / "nlvr" / split / "images" / "3").mkdir(parents=True)
        for row in found:
            for number, order in enumerate(permutations(range(3))):
                draw(tmp_path / "nlvr" / split / "images" / "3" / f"{split}-{row['identifier']}-{number}.png", order)
    return tmp_path / "nlvr"


def test_true_and_false_become_entailment_and_contradiction_of_six_pictures_each(
    published: Path, tmp_path: Path
) -> None:
    counts = write_nlvr(published, tmp_path / "ve", silent)
    train, test = (
        load_split(TASKS["snli_ve"], str(tmp_path / "ve"), s, tmp_path / "cache") for s in ("train", "test")
    )

    assert counts == {"train": 12, "dev": 6, "test": 6}
    assert Counter(example.stratum for example in train.examples) == {"entailment": 6, "contradiction": 6}
    assert [example.id for example in test.examples] == [f"test-4-3-{number}" for number in range(6)]
    assert test.examples[0].candidates[0].query.text == "There is a Yellow block."
    assert Image.open(Path(test.image_folder) / test.examples[0].image).size == (400, 100)
    about = json.loads((tmp_path / "ve" / "about.json").read_text())
    assert about["licence"].startswith("CC-BY 4.0")


def test_regions_are_the_boxes_and_each_shape_where_the_picture_has_it(published: Path, tmp_path: Path) -> None:
    write_nlvr(published, tmp_path / "ve", silent)
    val = load_split(TASKS["snli_ve"], str(tmp_path / "ve"), "val", tmp_path / "cache")

    for example, order in zip(val.examples, permutations(range(3)), strict=True):
        boxes = val.boxes[example.image]
        assert boxes[:3] == ((0, 0, 100, 100), (150, 0, 250, 100), (300, 0, 400, 100))
        picture = np.asarray(Pictures(Path(val.image_folder)).picture(example.image).convert("RGB"))
        shapes = [shape for box in order for shape in SHAPES[box]]
        for (x1, y1, x2, y2), shape in zip(boxes[3:], shapes, strict=True):
            inside = picture[int(y1) : int(y2), int(x1) : int(x2)].reshape(-1, 3)
            assert inside.shape[0] == shape["size"] ** 2
            assert (inside == COLOURS[shape["color"]]).all(), (example.id, shape)


def test_only_the_first_statements_of_train_are_kept_where_it_is_said(published: Path, tmp_path: Path) -> None:
    assert write_nlvr(published, tmp_path / "ve", silent, train=1) == {"train": 6, "dev": 6, "test": 6}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (statement("4-2", "maybe"), r"dev\.json, line 1: ValueError: label is 'maybe', expected true or false"),
        (statement("4-2", structured_rep=SHAPES[:2]), "structured_rep has 2 boxes, expected 3"),
        (statement("4-2", structured_rep=[[{"x_loc": 1}], [], []]), "KeyError: 'y_loc'"),
        (statement("../../4"), "lies outside the image folder"),
        ("{", r"dev\.json, line 1: "),
    ],
)
def test_a_damaged_statement_is_named_with_its_line(published: Path, tmp_path: Path, row: Any, said: str) -> None:
    write_lines(published / "dev" / "dev.json", [row])

    with pytest.raises(UnreadableData, match=said):
        write_nlvr(published, tmp_path / "ve", silent)


def test_a_missing_picture_or_file_is_named_with_the_remedy(published: Path, tmp_path: Path) -> None:
    (published / "test" / "images" / "3" / "test-4-3-5.png").unlink()
    with pytest.raises(MissingData, match=r"test-4-3-5\.png: not there; get https://github\.com/lil-lab/nlvr"):
        write_nlvr(published, tmp_path / "ve", silent)
    with pytest.raises(MissingData, match=r"train\.json: not there; get https://github\.com/lil-lab/nlvr"):
        write_nlvr(published.parent, tmp_path / "ve", silent)


def test_the_command_writes_what_check_finds_sound(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))

    def run(*words: str) -> str:
        result = CliRunner().invoke(ablate, ["data", *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert "12 train pairs, 6 dev pairs, 6 test pairs" in run("nlvr", str(published), "-o", str(tmp_path / "ve"))
    assert "train: 12 examples, 12 images, 0 unreadable rows" in run("check", str(tmp_path / "ve"))
