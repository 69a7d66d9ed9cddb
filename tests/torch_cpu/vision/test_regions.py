"""Region features: pooling over boxes, and the store that is built once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainables.data.examples import Candidate
from trainables.data.examples import Example
from trainables.data.examples import TaskSplit
from trainables.data.examples import Text
from trainables.vision.pooling import pooled
from trainables.vision.pooling import positions
from trainables.vision.pooling import relative_boxes
from trainables.vision.regions import REGION_WIDTH
from trainables.vision.regions import build_regions
from trainables.vision.regions import open_regions


def quiet(what: str, done: int, total: int) -> None:
    pass


def split_of(folder: Path, boxes: dict[str, tuple[tuple[float, float, float, float], ...]]) -> TaskSplit:
    examples = tuple(
        Example(
            id=name,
            image=name,
            candidates=(Candidate(query=Text(text="x")),),
            targets=((0, 1.0),),
            stratum="a",
            group=name,
        )
        for name in boxes
    )
    return TaskSplit(
        task="snli_ve", split="val", examples=examples, image_folder=str(folder), boxes=boxes, classes=("a",)
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        Image.fromarray(rng.integers(0, 255, (100, 200, 3), dtype=np.uint8)).save(folder / name)
    return folder


def test_a_box_takes_the_area_weighted_mean_of_its_cells() -> None:
    cells = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    boxes = np.array([[0.0, 0.0, 1.0, 1.0], [0.25, 0.0, 0.5, 0.25], [0.0, 0.0, 0.375, 0.25]])

    means = pooled(cells, boxes)[:, 0]
    np.testing.assert_allclose(means, [7.5, 1.0, (0 * 1 + 1 * 0.5) / 1.5], rtol=1e-6)


def test_a_box_without_area_still_has_a_finite_feature() -> None:
    means = pooled(np.ones((2, 7, 7)), np.array([[0.5, 0.5, 0.5, 0.5], [1.0, 1.0, 1.0, 1.0]]))

    assert np.isfinite(means).all()


def test_an_image_without_boxes_is_cut_into_a_grid() -> None:
    boxes = relative_boxes((), 100, 50)

    assert boxes.shape == (17, 4)
    np.testing.assert_allclose(boxes[1:, 2:].max(axis=0), [1, 1])
    np.testing.assert_allclose(positions(boxes)[1:, 6].sum(), 1.0)


def test_regions_are_built_once_and_read_in_any_order(pictures: Path, tmp_path: Path) -> None:
    boxes = {"a.jpg": ((0.0, 0.0, 50.0, 50.0),), "b.jpg": ((10.0, 10.0, 90.0, 90.0), (0.0, 0.0, 200.0, 100.0))}
    build_regions(split_of(pictures, boxes), tmp_path, quiet)
    calls: list[int] = []
    build_regions(split_of(pictures, boxes), tmp_path, lambda what, done, total: calls.append(done))
    store = open_regions(tmp_path, str(pictures))
    features, places, mask = store.read(["b.jpg", "a.jpg"])

    assert calls == []
    assert features.shape == (2, 3, REGION_WIDTH)
    assert mask.tolist() == [[True, True, True], [True, True, False]]
    np.testing.assert_array_equal(features[1, :2], store.read(["a.jpg"])[0][0])
    np.testing.assert_allclose(features[0, 2], features[0, 0], rtol=1e-2, atol=1e-3)  # the box is the whole image
    np.testing.assert_allclose(places[1, 1, :4], [0, 0, 0.25, 0.5])


def test_a_new_image_adds_a_shard_and_leaves_the_old_one(pictures: Path, tmp_path: Path) -> None:
    build_regions(split_of(pictures, {"a.jpg": ()}), tmp_path, quiet)
    before = open_regions(tmp_path, str(pictures)).read(["a.jpg"])[0]
    build_regions(split_of(pictures, {"a.jpg": (), "c.jpg": ()}), tmp_path, quiet)
    store = open_regions(tmp_path, str(pictures))

    np.testing.assert_array_equal(store.read(["a.jpg"])[0], before)
    assert store.num_regions("c.jpg") == 17
    assert len(store.shards) == 2


def test_only_pictures_that_are_decoded_in_another_way_have_other_keys_than_before(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain, turned = tmp_path / "plain.jpg", tmp_path / "turned.jpg"
    Image.new("RGB", (60, 40), "red").save(plain)
    Image.new("RGB", (60, 40), "red").save(turned, exif=exif)
    build_regions(split_of(tmp_path, {"plain.jpg": (), "turned.jpg": ()}), tmp_path / "cache", quiet)
    keys = open_regions(tmp_path / "cache", str(tmp_path)).keys

    def earlier(path: Path) -> str:
        return hashlib.sha256(path.read_bytes() + b"[]").hexdigest()[:20]

    assert keys["plain.jpg"] == earlier(plain)
    assert keys["turned.jpg"] != earlier(turned)
