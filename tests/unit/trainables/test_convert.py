"""Checking a data set, and storing its examples for fast reading."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from ablative.progress import silent
from ablative.trainables.data import convert
from ablative.trainables.data.convert import check
from ablative.trainables.data.convert import prepare_examples
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.findings import BAD_FILE
from ablative.trainables.data.findings import MISSING_IMAGE
from ablative.trainables.data.findings import NO_BOX
from ablative.trainables.data.findings import NO_EXAMPLE_OF_ID
from ablative.trainables.data.findings import NO_METADATA
from ablative.trainables.data.findings import OUTSIDE
from ablative.trainables.data.inspection import described
from ablative.trainables.data.inspection import judge
from ablative.trainables.data.load import load_split
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.data.stored import StoredExamples
from ablative.trainables.data.subsets import subset
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import draw_pictures
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import make_vqa
from tests.unit.trainables.real_layouts import snli_ve_row
from tests.unit.trainables.real_layouts import vcr_row
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_lines


def load(task: str, folder: Path, split: str, cache: Path) -> TaskSplit:
    return load_split(TASKS[task], str(folder), split, cache)


@pytest.mark.parametrize(("task", "make"), [("vcr", make_vcr), ("snli_ve", make_snli_ve), ("vqa", make_vqa)])
def test_stored_examples_are_those_of_the_files(tmp_path: Path, task: str, make: object) -> None:
    folder = make(tmp_path / "data")  # type: ignore[operator]
    splits = ("train", "val", "test", *(("test_shortcuts", "blind_test") if task == "vcr" else ()))
    read = {split: load(task, folder, split, tmp_path / "empty") for split in splits}
    prepare_examples(TASKS[task], str(folder), tmp_path / "cache", silent)

    for split in splits:
        stored = load(task, folder, split, tmp_path / "cache")
        assert isinstance(stored.examples, StoredExamples)
        assert tuple(stored.examples) == tuple(read[split].examples)
        assert (stored.boxes, stored.classes, stored.labelled) == (
            read[split].boxes,
            read[split].classes,
            read[split].labelled,
        )


def test_a_subset_of_stored_examples_is_the_subset_of_the_files(tmp_path: Path) -> None:
    folder = make_vcr(tmp_path / "data", train=100)
    read = load("vcr", folder, "train", tmp_path / "empty")
    prepare_examples(TASKS["vcr"], str(folder), tmp_path / "cache", silent)
    stored = load("vcr", folder, "train", tmp_path / "cache")

    for fraction in (0.05, 0.5, 1.0):
        assert tuple(subset(stored, fraction, 3).examples) == tuple(subset(read, fraction, 3).examples)


def test_changed_files_are_not_read_from_an_old_copy(tmp_path: Path) -> None:
    folder = make_snli_ve(tmp_path / "data")
    prepare_examples(TASKS["snli_ve"], str(folder), tmp_path / "cache", silent)
    write_lines(folder / "snli_ve_test.jsonl", [snli_ve_row("new")])

    assert [e.id for e in load("snli_ve", folder, "test", tmp_path / "cache").examples] == ["new"]


def test_a_killed_preparation_goes_on_with_the_files_that_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_vcr(tmp_path / "data", train=100)
    monkeypatch.setattr(convert, "PER_FILE", 20)

    def killed(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(convert, "_EVERY", 70)
    with pytest.raises(KeyboardInterrupt):
        prepare_examples(TASKS["vcr"], str(folder), tmp_path / "cache", killed, splits=["train"])
    (target,) = (tmp_path / "cache" / "examples").glob("*/train")
    first = {path.name: path.stat().st_mtime_ns for path in target.glob("examples-*.arrow")}
    assert len(first) == 3
    assert not isinstance(load("vcr", folder, "train", tmp_path / "cache").examples, StoredExamples)

    (report,) = prepare_examples(TASKS["vcr"], str(folder), tmp_path / "cache", silent, splits=["train"])
    after = {path.name: path.stat().st_mtime_ns for path in target.glob("examples-*.arrow")}
    assert {name: after[name] for name in first} == first
    assert len(load("vcr", folder, "train", tmp_path / "cache").examples) == report.num_examples


def test_every_kind_of_problem_is_counted_and_named(tmp_path: Path) -> None:
    make_vcr(tmp_path)
    rows: list[object] = [vcr_row(f"val-{i}") for i in range(300)]
    rows[4] = '{"half'
    rows[9] = vcr_row("val-9", question=["Who", "is", [7], "?"])
    rows[11] = vcr_row("val-11", image="film/b@0.jpg")
    rows[12] = vcr_row("val-12", image="film/c@0.jpg")
    write_lines(tmp_path / "val.jsonl", rows)
    Image.new("RGB", (60, 50)).save(tmp_path / "vcr1images/film/a@0.jpg")
    outside = [[1, 2, 61.5, 40, 0.9], [5, 6, 7, 8, 0.8]]
    write_json(tmp_path / "vcr1images/film/b@0.json", {"boxes": outside, "width": 60, "height": 50})
    (report,) = check(TASKS["vcr"], str(tmp_path), tmp_path / "cache", silent, splits=["test"])

    assert (report.num_examples, report.num_images, report.num_bad) == (2 * 298, 3, 2)
    assert report.rows[0].reasons[0][0] == 5 and "JSONDecodeError" in report.rows[0].reasons[0][1]
    assert report.rows[0].reasons[1] == (10, "ValueError: tag 7 is not one of the 3 objects")
    assert report.findings.counts == {MISSING_IMAGE: 2, NO_METADATA: 1, OUTSIDE: 1, NO_BOX: 2}
    assert report.findings.named[MISSING_IMAGE] == ["film/b@0.jpg", "film/c@0.jpg"]
    assert report.findings.named[OUTSIDE] == ["film/b@0.jpg, box 0: (1.0, 2.0, 61.5, 40.0)"]
    assert report.findings.named[NO_BOX][0] == "val-11/qa names a box beyond the 2 of film/b@0.jpg"


def test_share_of_bad_rows_that_is_borne_is_the_callers_choice(tmp_path: Path) -> None:
    make_snli_ve(tmp_path)
    draw_pictures(tmp_path / "flickr30k_images", ["123.jpg"])
    write_lines(tmp_path / "snli_ve_test.jsonl", [snli_ve_row(str(i)) for i in range(18)] + [{"pairID": "b"}])
    found = check(TASKS["snli_ve"], str(tmp_path), tmp_path / "cache", silent, splits=["test"])

    assert found[0].num_bad == 1
    judge(found, 0.06)
    with pytest.raises(
        UnreadableData, match=r"at most 0\.01 may be so:\n  row unreadable \(test 1 of 19 rows of snli"
    ):
        judge(found, 0.01)
    with pytest.raises(UnreadableData, match=r"1 of 19 rows(.|\n)*At most 0\.01"):
        prepare_examples(TASKS["snli_ve"], str(tmp_path), tmp_path / "cache", silent, splits=["test"])
    prepare_examples(
        TASKS["snli_ve"], str(tmp_path), tmp_path / "cache", silent, splits=["test"], most_unreadable=0.06
    )


def pack(shard: Path, folder: Path, names: dict[str, str]) -> None:
    with tarfile.open(shard, "w") as tar:
        for member, name in names.items():
            tar.add(folder / name, arcname=member)


def test_pictures_and_boxes_are_read_from_tar_shards(tmp_path: Path) -> None:
    folder = make_vcr(tmp_path / "data")
    loose = load("vcr", folder, "test", tmp_path / "cache")
    images = folder / "vcr1images"
    (images / "film/a@0.jpg").write_bytes(b"picture")
    pack(images / "000000.tar", images, {"film/a@0.jpg": "film/a@0.jpg"})
    pack(images / "000001.tar", images, {"a@0.json": "film/a@0.json"})  # packed without its folder
    for name in ("a@0.jpg", "a@0.json"):
        (images / "film" / name).unlink()

    assert Pictures(images).read("film/a@0.jpg") == b"picture"
    assert "film/b@0.jpg" not in Pictures(images)
    assert load("vcr", folder, "test", tmp_path / "other").boxes == loose.boxes
    (report,) = check(TASKS["vcr"], str(folder), tmp_path / "cache", silent, splits=["test"], decode=False)
    assert report.findings.counts == {}


def test_shards_take_the_place_of_the_folders_that_a_data_set_needs(tmp_path: Path) -> None:
    make_vqa(tmp_path)
    (tmp_path / "train2014").rmdir()
    with pytest.raises(MissingData, match="train2014"):
        load("vqa", tmp_path, "train", tmp_path / "cache")
    tarfile.open(tmp_path / "000000.tar", "w").close()

    assert load("vqa", tmp_path, "train", tmp_path / "cache").classes == ("cat", "dog")


def test_a_compressed_or_broken_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "000000.tar").write_bytes(b"x" * 2000)

    with pytest.raises(UnreadableData, match=r"000000\.tar: .*uncompressed tar"):
        Pictures(tmp_path).read("a.jpg")


def test_shards_may_lie_where_the_loose_pictures_would(tmp_path: Path) -> None:
    (tmp_path / "train2014").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"picture")
    pack(tmp_path / "train2014/000000.tar", tmp_path, {"a.jpg": "a.jpg"})

    assert "train2014/a.jpg" in Pictures(tmp_path)
    assert Pictures(tmp_path).read("train2014/a.jpg") == b"picture"
    assert "val2014/a.jpg" not in Pictures(tmp_path)


def test_a_picture_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")

    with pytest.raises(MissingData, match=r"b\.jpg: no such picture.*\.tar shard"):
        Pictures(tmp_path).picture("b.jpg")
    with pytest.raises(UnreadableData, match=r"a\.jpg: .*begins with b'no picture', none of JPEG"):
        Pictures(tmp_path).picture("a.jpg")


def test_checking_and_preparing_load_no_torch() -> None:
    code = (
        "import sys, ablative.trainables.data.convert, ablative.trainables.data.shifts; print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "False"


_PREPARE = """
import sys, time
from pathlib import Path
from ablative.trainables.data import convert
from ablative.trainables.tasks.vcr import VCR
convert.PER_FILE, convert._EVERY = 50, 25
def progress(what, done, total):
    print(done, flush=True)
    time.sleep(float(sys.argv[3]))
convert.prepare_examples(VCR, sys.argv[1], Path(sys.argv[2]), progress, splits=["train"])
"""


@pytest.mark.slow
def test_a_preparation_killed_outright_leaves_only_whole_files_and_the_next_one_ends_it(tmp_path: Path) -> None:
    folder, cache = make_vcr(tmp_path / "data", train=200), tmp_path / "cache"
    read = load("vcr", folder, "train", tmp_path / "empty")
    command = [sys.executable, "-c", _PREPARE, str(folder), str(cache)]
    with subprocess.Popen([*command, "0.05"], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        while int(first.stdout.readline()) < 125:
            pass
        first.kill()
    (target,) = (cache / "examples").glob("*/train")
    kept = {path: path.stat().st_mtime_ns for path in target.glob("examples-*.arrow")}
    assert 2 <= len(kept) < 8 and not (target / "whole.json").exists()
    subprocess.run([*command, "0"], check=True, stdout=subprocess.DEVNULL)

    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert tuple(load("vcr", folder, "train", cache).examples) == tuple(read.examples)


def test_a_row_that_two_splits_cannot_read_is_named_once(tmp_path: Path) -> None:
    folder = make_vcr(tmp_path, train=120)
    with (folder / "train.jsonl").open("a") as file:
        file.write("no JSON\n")
    told: set[tuple[Path, int]] = set()

    found = check(TASKS["vcr"], str(folder), tmp_path / "cache", silent, splits=["train", "val"])
    lines = [line for inspection in found for line in described(inspection, told)]
    assert [inspection.num_bad for inspection in found] == [1, 1]
    assert sum("line 121: JSONDecodeError" in line for line in lines) == 1


def test_ids_of_slices_and_lists_that_match_no_example_are_told(tmp_path: Path) -> None:
    make_snli_ve(tmp_path)
    write_lines(tmp_path / "snli_ve_test.jsonl", [snli_ve_row("a"), snli_ve_row("b", label="-")])
    write_json(tmp_path / "slices" / "test.json", {"colour": ["a", "b"], "count": ["typo"]})
    write_json(tmp_path / "hypothesis_hard_test.json", ["a", "gone"])
    test, hard = check(
        TASKS["snli_ve"], str(tmp_path), tmp_path / "cache", silent, splits=["test", "test_hypothesis_hard"]
    )

    assert test.findings.named[NO_EXAMPLE_OF_ID] == ["b", "typo"]
    assert hard.findings.named[NO_EXAMPLE_OF_ID] == ["gone"]


def test_a_compressed_test_of_vcr_does_not_keep_the_other_splits_from_being_checked(tmp_path: Path) -> None:
    make_vcr(tmp_path)
    (tmp_path / "test.jsonl").write_bytes(gzip.compress(b"{}"))
    found = {
        inspection.split: inspection for inspection in check(TASKS["vcr"], str(tmp_path), tmp_path / "cache", silent)
    }

    assert found["train"].num_examples and BAD_FILE not in found["train"].findings.counts
    assert "compressed by gzip" in found["test"].findings.named[BAD_FILE][0]
