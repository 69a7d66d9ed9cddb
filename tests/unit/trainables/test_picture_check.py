"""All bad pictures of a data set are named together, by the check and before anything is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablative.progress import silent
from ablative.trainables.config import TaskConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data import picture_check
from ablative.trainables.data.content import data_content
from ablative.trainables.data.convert import check
from ablative.trainables.data.convert import prepare_examples
from ablative.trainables.data.findings import BAD_PICTURE
from ablative.trainables.data.findings import LEFT_OUT
from ablative.trainables.data.findings import MISSING_IMAGE
from ablative.trainables.data.findings import OTHER_SIZE
from ablative.trainables.data.load import load_split
from ablative.trainables.data.picture_check import looked_at
from ablative.trainables.data.picture_check import require_pictures
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from ablative.trainables.prepare import prepare
from ablative.trainables.vision.pixels import build_pixels
from ablative.trainables.vision.regions import build_regions
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import snli_ve_row
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_lines

HTML = b"<!DOCTYPE html><html><body>404</body></html>"


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """SNLI-VE with eight images: 3 truncated, 4 empty, 5 a web page, 6 missing."""
    folder = tmp_path / "data"
    images = folder / "flickr30k_images"
    images.mkdir(parents=True)
    noise = np.random.default_rng(1).integers(0, 256, (8, 40, 50, 3), dtype=np.uint8)
    for number in range(8):
        Image.fromarray(noise[number]).save(images / f"{number}.jpg")
    (images / "3.jpg").write_bytes((images / "3.jpg").read_bytes()[:900])
    (images / "4.jpg").write_bytes(b"")
    (images / "5.jpg").write_bytes(HTML)
    (images / "6.jpg").unlink()
    for name in ("train", "dev", "test"):
        rows = [snli_ve_row(f"{name}-{number}", Flickr30K_ID=str(number)) for number in range(8)]
        write_lines(folder / f"snli_ve_{name}.jsonl", rows)
    return folder


def test_the_check_decodes_every_picture_and_names_the_bad_ones_once(damaged: Path, tmp_path: Path) -> None:
    stages: list[tuple[str, int, int]] = []
    train, dev, test = check(TASKS["snli_ve"], str(damaged), tmp_path / "cache", lambda *told: stages.append(told))

    assert train.findings.counts == {MISSING_IMAGE: 1, BAD_PICTURE: 3}
    for named, number in zip(train.findings.named[BAD_PICTURE], (3, 4, 5), strict=True):
        assert f"{number}.jpg: not a picture that can be decoded" in named
    for later in (dev, test):
        assert (later.findings.counts[MISSING_IMAGE], BAD_PICTURE in later.findings.counts) == (1, False)
    assert ("decode pictures", 8, 8) in stages


def test_the_check_can_leave_pictures_undecoded(damaged: Path, tmp_path: Path) -> None:
    found = check(TASKS["snli_ve"], str(damaged), tmp_path / "cache", silent, decode=False)

    assert all(inspection.findings.counts[MISSING_IMAGE] == 1 for inspection in found)
    assert not any(BAD_PICTURE in inspection.findings.counts for inspection in found)


def test_preparing_a_data_set_decodes_as_the_check_does(damaged: Path, tmp_path: Path) -> None:
    train, *_ = prepare_examples(TASKS["snli_ve"], str(damaged), tmp_path / "cache", silent)

    assert train.findings.counts == {MISSING_IMAGE: 1, BAD_PICTURE: 3}


@pytest.mark.parametrize("build", [build_regions, build_pixels])
def test_a_run_names_all_bad_pictures_at_once_before_it_computes_anything(
    damaged: Path, tmp_path: Path, build: object
) -> None:
    split = load_split(TASKS["snli_ve"], str(damaged), "train", tmp_path / "cache")
    stages: list[str] = []
    with pytest.raises(UnreadableData, match=r"4 of 8 pictures are missing or damaged") as raised:
        build(split, tmp_path / "cache", lambda what, *_: stages.append(what))  # type: ignore[operator]

    assert all(f"{number}.jpg: " in str(raised.value) for number in (3, 4, 5, 6))
    assert set(stages) == {"decode pictures"}


def test_a_picture_of_another_size_than_its_metadata_says_is_a_finding(tmp_path: Path) -> None:
    folder = make_vcr(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown upright, and its boxes are of the picture as it lies in the file
    Image.new("RGB", (60, 50)).save(folder / "vcr1images/film/a@0.jpg", exif=exif)
    (report,) = check(TASKS["vcr"], str(folder), tmp_path / "cache", silent, splits=["test"])

    assert report.findings.named[OTHER_SIZE] == ["film/a@0.jpg: 50 x 60 pixels, and 60 x 50 in its metadata"]
    write_json(folder / "vcr1images/film/a@0.json", {"boxes": [[1, 2, 30, 40, 0.9]] * 3, "width": 50, "height": 60})
    (report,) = check(TASKS["vcr"], str(folder), tmp_path / "cache", silent, splits=["test"])
    assert report.findings.counts == {}


def test_processes_find_what_one_finds_in_the_same_order(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, names = damaged / "flickr30k_images", [f"{number}.jpg" for number in (*range(8), *range(8))]
    alone = list(looked_at(folder, names, silent, workers=1))
    monkeypatch.setattr(picture_check, "_FEW", 0)
    monkeypatch.setattr(picture_check, "_BATCH", 3)

    assert list(looked_at(folder, names, silent, workers=2)) == alone
    assert [found.name for found in alone if found.missing] == ["6.jpg", "6.jpg"]
    assert [found.size for found in alone[:3]] == [(50, 40)] * 3


def test_pictures_that_are_only_missing_are_missing_data(damaged: Path) -> None:
    with pytest.raises(MissingData, match=r"7 of 8 pictures.*\n(.*\n){5}Get them again"):
        require_pictures(damaged / "flickr30k_images", ["0.jpg", *"abcdefg"], silent)


def test_a_share_of_the_pictures_is_left_out_for_every_reader_when_asked(damaged: Path, tmp_path: Path) -> None:
    before = data_content(TASKS["snli_ve"], str(damaged), tmp_path / "cache").digest
    with pytest.raises(UnreadableData, match=r"4 of 8 pictures are missing or damaged, but at most 0.4"):
        check(TASKS["snli_ve"], str(damaged), tmp_path / "cache", silent, most_left_out=0.4)
    assert not (damaged / "left_out.json").exists()
    found = check(TASKS["snli_ve"], str(damaged), tmp_path / "cache", silent, most_left_out=0.5)

    assert [inspection.findings.counts[LEFT_OUT] for inspection in found] == [4, 1, 1]
    assert not found[0].faults(0.01)
    kept = load_split(TASKS["snli_ve"], str(damaged), "train", tmp_path / "cache").examples
    assert [example.image for example in kept] == ["0.jpg", "1.jpg", "2.jpg", "7.jpg"]
    again = check(TASKS["snli_ve"], str(damaged), tmp_path / "cache", silent)
    assert [inspection.num_examples for inspection in again] == [4, 4, 4] and again[0].findings.counts == {}
    assert data_content(TASKS["snli_ve"], str(damaged), tmp_path / "cache").digest != before  # other trials


def test_a_list_of_pictures_left_out_names_no_file_elsewhere(damaged: Path, tmp_path: Path) -> None:
    (damaged / "left_out.json").write_text('["../../passwd"]')
    with pytest.raises(UnreadableData, match=r"left_out\.json: .*outside the image folder"):
        load_split(TASKS["snli_ve"], str(damaged), "train", tmp_path / "cache")


def test_a_preparation_names_the_bad_pictures_of_all_splits_together(damaged: Path, tmp_path: Path) -> None:
    write_lines(damaged / "snli_ve_train.jsonl", [snli_ve_row("a", Flickr30K_ID="3")])
    write_lines(damaged / "snli_ve_dev.jsonl", [snli_ve_row("b", Flickr30K_ID="4")])
    write_lines(damaged / "snli_ve_test.jsonl", [snli_ve_row("c", Flickr30K_ID=number) for number in "56"])
    config = TrialConfig(task=TaskConfig(name="snli_ve", data=str(damaged)))
    with pytest.raises(UnreadableData, match=r"4 of 4 pictures are missing or damaged") as raised:
        prepare([config], tmp_path / "cache", silent)

    assert all(f"{number}.jpg: " in str(raised.value) for number in (3, 4, 5, 6))


def test_pictures_left_out_before_count_among_all_of_which_a_share_may_be_left_out(
    damaged: Path, tmp_path: Path
) -> None:
    check(TASKS["snli_ve"], str(damaged), tmp_path / "cache", silent, most_left_out=0.5)
    (damaged / "flickr30k_images" / "0.jpg").unlink()
    check(TASKS["snli_ve"], str(damaged), tmp_path / "cache", silent, most_left_out=5 / 8)

    assert (damaged / "left_out.json").read_text().count(".jpg") == 5
