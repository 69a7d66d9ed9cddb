"""Region features: pooling over boxes, and the store that is built once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablative.progress import silent
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.errors import UnreadableData
from ablative.trainables.vision.pooling import pooled
from ablative.trainables.vision.pooling import positions
from ablative.trainables.vision.pooling import relative_boxes
from ablative.trainables.vision.regions import REGION_WIDTH
from ablative.trainables.vision.regions import _open_shards
from ablative.trainables.vision.regions import build_regions
from ablative.trainables.vision.regions import open_regions
from ablative.trainables.vision.regions import regions_folder
from tests.helpers.tasks import TASKS


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
        task=TASKS["snli_ve"], split="val", examples=examples, image_folder=str(folder), boxes=boxes, classes=("a",)
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
    build_regions(split_of(pictures, boxes), tmp_path, silent)
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
    build_regions(split_of(pictures, {"a.jpg": ()}), tmp_path, silent)
    before = open_regions(tmp_path, str(pictures)).read(["a.jpg"])[0]
    build_regions(split_of(pictures, {"a.jpg": (), "c.jpg": ()}), tmp_path, silent)
    store = open_regions(tmp_path, str(pictures))

    np.testing.assert_array_equal(store.read(["a.jpg"])[0], before)
    assert store.num_regions("c.jpg") == 17
    assert len(store.shards) == 2


def test_a_picture_that_was_replaced_under_its_name_is_computed_anew_and_alone(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(pictures, folder)
    split = split_of(folder, {"a.jpg": (), "b.jpg": ()})
    build_regions(split, tmp_path, silent)
    before = open_regions(tmp_path, str(folder)).read(["a.jpg", "b.jpg"])[0]
    (folder / "c.jpg").replace(folder / "a.jpg")
    computed: list[tuple[str, int]] = []
    build_regions(split, tmp_path, lambda what, done, total: computed.append((what, total)))
    after = open_regions(tmp_path, str(folder)).read(["a.jpg", "b.jpg"])[0]

    assert set(computed) == {("decode pictures", 1), ("region features", 1)}
    assert (after[0] != before[0]).any()
    np.testing.assert_array_equal(after[1], before[1])


def test_boxes_that_come_later_are_what_the_regions_are_of(pictures: Path, tmp_path: Path) -> None:
    build_regions(split_of(pictures, {"a.jpg": ()}), tmp_path, silent)
    assert open_regions(tmp_path, str(pictures)).num_regions("a.jpg") == 17  # a grid
    build_regions(split_of(pictures, {"a.jpg": ((0.0, 0.0, 50.0, 50.0),)}), tmp_path, silent)

    assert open_regions(tmp_path, str(pictures)).num_regions("a.jpg") == 2


def test_nothing_is_kept_of_a_picture_that_changes_while_it_is_computed(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(pictures, folder)

    def replaced_meanwhile(*_: object, **__: object) -> None:
        (folder / "c.jpg").replace(folder / "a.jpg")

    monkeypatch.setattr("ablative.trainables.vision.regions.require_pictures", replaced_meanwhile)
    with pytest.raises(UnreadableData, match=r"a\.jpg: changed while it was being prepared; run the same command"):
        build_regions(split_of(folder, {"a.jpg": ()}), tmp_path, silent)

    assert not list(tmp_path.rglob("features.npy"))


@pytest.mark.parametrize("name", ["features.npy", "keys.json", "paths-*.json"])
def test_damaged_features_of_the_cache_are_named_with_a_remedy(pictures: Path, tmp_path: Path, name: str) -> None:
    build_regions(split_of(pictures, {"a.jpg": ((0.0, 0.0, 50.0, 50.0),)}), tmp_path, silent)
    (stored,) = regions_folder(tmp_path).rglob(name)
    stored.write_bytes(stored.read_bytes()[:-1])
    _open_shards.cache_clear()
    with pytest.raises(UnreadableData, match="remove it; the same command then makes it again"):
        open_regions(tmp_path, str(pictures))
