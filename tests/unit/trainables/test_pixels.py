"""Pictures as pixels: decoded once, read by path."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablative.progress import silent
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from ablative.trainables.vision.pixels import PICTURE_SIZE
from ablative.trainables.vision.pixels import build_pixels
from ablative.trainables.vision.pixels import open_pixels
from tests.helpers.tasks import TASKS


def split(folder: Path, *images: str) -> TaskSplit:
    examples = tuple(
        Example(id=image, image=image, candidates=(Candidate(query=Text(text="")),), targets=(), stratum="", group="")
        for image in images
    )
    return TaskSplit(
        task=TASKS["snli_ve"], split="train", examples=examples, image_folder=str(folder), boxes={}, classes=("a",)
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for place, colour in enumerate(("red", "lime", "blue")):
        Image.new("RGB", (40 + place, 30), colour).save(folder / f"{colour}.png")
    return folder


def test_pixels_are_read_in_the_order_asked_for(pictures: Path, tmp_path: Path) -> None:
    build_pixels(split(pictures, "red.png", "blue.png"), tmp_path, silent)
    values = open_pixels(tmp_path, str(pictures)).read(["blue.png", "red.png", "blue.png"])

    assert values.shape == (3, 3, PICTURE_SIZE, PICTURE_SIZE) and values.dtype == np.uint8
    assert values[:, :, 100, 100].tolist() == [[0, 0, 255], [255, 0, 0], [0, 0, 255]]


def test_what_is_stored_is_not_decoded_again(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_pixels(split(pictures, "red.png"), tmp_path, silent)
    decoded: list[str] = []
    decode = Pictures.picture
    monkeypatch.setattr(Pictures, "picture", lambda files, name, digest: decoded.append(name) or decode(files, name))
    build_pixels(split(pictures, "red.png", "lime.png"), tmp_path, silent)
    values = open_pixels(tmp_path, str(pictures)).read(["lime.png", "red.png"])

    assert decoded == ["lime.png"]
    assert values[:, :, 0, 0].tolist() == [[0, 255, 0], [255, 0, 0]]
    assert len(list(tmp_path.rglob("pixels.npy"))) == 2
    assert not list(tmp_path.rglob("building-*"))


def test_a_picture_that_was_replaced_under_its_name_is_decoded_again(pictures: Path, tmp_path: Path) -> None:
    build_pixels(split(pictures, "red.png"), tmp_path, silent)
    (pictures / "blue.png").replace(pictures / "red.png")
    build_pixels(split(pictures, "red.png"), tmp_path, silent)

    assert open_pixels(tmp_path, str(pictures)).read(["red.png"])[0, :, 0, 0].tolist() == [0, 0, 255]


def test_a_picture_that_is_not_there_is_named_with_a_remedy(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"(?s)1 of 1 .*none\.png: no such picture.*visual_input=regions"):
        build_pixels(split(pictures, "none.png"), tmp_path, silent)
    with pytest.raises(MissingData, match=r"none\.png: its pixels were not stored"):
        open_pixels(tmp_path, str(pictures)).read(["none.png"])


def test_a_damaged_shard_is_named_with_a_remedy(pictures: Path, tmp_path: Path) -> None:
    build_pixels(split(pictures, "red.png"), tmp_path, silent)
    (stored,) = tmp_path.rglob("pixels.npy")
    stored.write_bytes(stored.read_bytes()[:1000])
    with pytest.raises(UnreadableData, match=r"shard-0000.*remove this folder"):
        open_pixels(tmp_path, str(pictures))


def test_nothing_is_left_of_a_shard_that_could_not_be_written(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space"):
        build_pixels(split(pictures, "red.png"), tmp_path, silent)
    assert not [path for path in (tmp_path / "pixels").rglob("*") if path.name.startswith(("building-", "shard-"))]
