"""Region features from files in the formats that people have, written by hand; converted, resumed, and read."""

from __future__ import annotations

import base64
import io
import json
import pickle
import random
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import lmdb
import msgpack
import numpy as np
import pytest

from ablative.progress import Progress
from ablative.progress import silent
from ablative.trainables.data.content import data_content
from ablative.trainables.data.content import examples_folder
from ablative.trainables.data.convert import check
from ablative.trainables.data.findings import MISSING_IMAGE
from ablative.trainables.data.load import load_split
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from ablative.trainables.vision import conversion
from ablative.trainables.vision.conversion import convert_regions
from ablative.trainables.vision.feature_files import feature_files
from ablative.trainables.vision.feature_files import read_features
from ablative.trainables.vision.feature_files import read_names
from ablative.trainables.vision.lmdb_file import LmdbFile
from ablative.trainables.vision.matching import by_object
from ablative.trainables.vision.regions import RegionFeatures
from ablative.trainables.vision.regions import _Shard
from ablative.trainables.vision.regions import build_regions
from ablative.trainables.vision.regions import open_regions
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import make_vqa
from tests.unit.trainables.real_layouts import vcr_row
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_lines

WIDTH = 6
BOXES = np.array([[0.0, 0.0, 0.5, 0.5], [0.25, 0.25, 1.0, 1.0]], dtype=np.float32)


def features_of(seed: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def packed(values: np.ndarray) -> dict[bytes, Any]:
    """An array as msgpack-numpy writes it."""
    return {b"nd": True, b"type": values.dtype.str, b"kind": b"", b"shape": values.shape, b"data": values.tobytes()}


def uniter(features: np.ndarray, boxes: np.ndarray = BOXES) -> dict[str, Any]:
    sizes = boxes[:, 2:] - boxes[:, :2]
    norm_bb = np.concatenate([boxes, sizes], axis=1).astype(np.float16)
    return {"features": features.astype(np.float16), "norm_bb": norm_bb, "conf": np.ones(len(boxes), np.float16)}


def write_lmdb(path: Path, entries: dict[str, bytes]) -> Path:
    with lmdb.open(str(path), map_size=1 << 22) as env, env.begin(write=True) as view:
        view.put(b"__keys__", json.dumps(list(entries)).encode())
        for key, value in entries.items():
            view.put(key.encode(), value)
    return path


def as_msgpack(fields: dict[str, Any]) -> bytes:
    content: bytes = msgpack.packb({name: packed(values) for name, values in fields.items()}, use_bin_type=True)
    return content


def as_npz(**fields: Any) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **fields)
    return out.getvalue()


def tsv_row(key: object, features: np.ndarray, *, lxmert: bool, size: tuple[int, int] = (200, 100)) -> str:
    width, height = size
    pixels = (BOXES * np.array([width, height, width, height])).astype("<f4")
    coded = [base64.b64encode(values.tobytes()).decode() for values in (pixels, features.astype("<f4"))]
    if lxmert:
        filler = [base64.b64encode(np.zeros(len(BOXES), "<i8").tobytes()).decode()] * 4
        return "\t".join([str(key), str(height), str(width), *filler, str(len(BOXES)), *coded])
    return "\t".join([str(key), str(width), str(height), str(len(BOXES)), *coded])


def values(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    found = {}
    for entry in read_features(path):
        assert not isinstance(entry.found, str), entry.found
        found[entry.found.key] = (entry.found.features, entry.found.boxes)
    return found


def check_read(path: Path, key: str) -> None:
    (found,) = values(path).items()
    assert found[0] == key
    np.testing.assert_allclose(found[1][0], features_of(1), atol=2e-3)
    np.testing.assert_allclose(found[1][1], BOXES, atol=1e-3)


def test_uniters_lmdb_is_read_plain_and_compressed(tmp_path: Path) -> None:
    key = "coco_val2014_000000000900.npz"
    check_read(write_lmdb(tmp_path / "plain", {key: as_msgpack(uniter(features_of(1)))}), key)
    check_read(write_lmdb(tmp_path / "small", {key: as_npz(**uniter(features_of(1)))}), key)


@pytest.mark.parametrize("lxmert", [False, True])
def test_tsv_of_bottom_up_attention_and_of_lxmert_is_read(tmp_path: Path, lxmert: bool) -> None:
    path = tmp_path / "features.tsv"
    path.write_text(tsv_row("COCO_val2014_000000000900", features_of(1), lxmert=lxmert) + "\n")

    check_read(path, "COCO_val2014_000000000900")


def test_npz_with_features_across_and_boxes_in_pixels_is_read(tmp_path: Path) -> None:
    pixels = BOXES * np.array([200, 100, 200, 100], np.float32)
    content = as_npz(x=features_of(1).T, bbox=pixels, num_bbox=2, image_w=200, image_h=100)
    (tmp_path / "900.npz").write_bytes(content)

    check_read(tmp_path, "900")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was executed",))


def evil_array() -> np.ndarray:
    return np.array([Evil()], dtype=object)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (as_npz(features=evil_array(), norm_bb=BOXES), "type '|O', expected numbers"),
        (pickle.dumps({"features": 1}), "extra data"),
        (msgpack.packb({"features": packed(features_of(1)) | {b"type": "O"}, "norm_bb": packed(BOXES)}), "'O'"),
        (msgpack.packb({"features": packed(features_of(1)) | {b"shape": (9, 9)}, "norm_bb": packed(BOXES)}), "shape"),
        (msgpack.packb({"features": msgpack.ExtType(5, b"x"), "norm_bb": packed(BOXES)}), "extension type 5"),
        (as_msgpack(uniter(np.full((2, WIDTH), np.nan))), "no finite number"),
        (as_npz(features=np.full((2, WIDTH), 7e4), norm_bb=BOXES), "at most 65,504"),
        (as_npz(features=features_of(1) * 1j, norm_bb=BOXES), "type '<c8', expected numbers"),
        (as_npz(features=features_of(1), norm_bb=BOXES.astype(complex)), "type '<c16', expected numbers"),
        (as_npz(features=features_of(1), norm_bb=BOXES + np.inf), "a box is not a finite number"),
        (as_npz(features=features_of(1), norm_bb=BOXES[:, :3]), "expected four corners"),
        (as_npz(features=features_of(1), bbox=BOXES, image_w=np.inf, image_h=9), "inf x 9.0 pixels"),
        (as_npz(features=features_of(1)[:, :0], norm_bb=BOXES), "shape (2, 0)"),
        (as_msgpack(uniter(features_of(1, 3))), "for 2 boxes"),
        (as_msgpack({"features": features_of(1)}), "KeyError"),
        (b"", "incomplete input"),
    ],
    ids=range(16),
)
def test_damaged_and_hostile_entries_are_named_and_nothing_in_them_runs(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (entry,) = read_features(write_lmdb(tmp_path / "features", {"evil": content}))

    assert isinstance(entry.found, str)
    assert entry.found.startswith("evil: ") and reason in entry.found


def test_a_tsv_row_with_other_columns_is_named_and_an_unknown_format_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.tsv"
    path.write_text("900\t1\t2\n" + tsv_row(7, features_of(1), lxmert=False) + "\n")
    first, second = read_features(path)

    assert isinstance(first.found, str) and "3 columns, expected 6 (bottom-up) or 10 (LXMERT)" in first.found
    assert not isinstance(second.found, str) and second.found.key == "7"
    with pytest.raises(UnreadableData, match=r"expected a folder with data\.mdb"):
        read_features(tmp_path / "features.h5")


def vqa_features(path: Path, numbers: range) -> Path:
    path.write_text("".join(tsv_row(i, features_of(i), lxmert=False) + "\n" for i in numbers))
    return path


def convert(folder: Path, task: str, sources: list[Path], progress: Progress = silent, *, merge: bool = False) -> Any:
    found = check(TASKS[task], str(folder), folder / "cache", silent)
    return convert_regions(found, feature_files(sources), progress, merge=merge)


@pytest.fixture
def vqa(tmp_path: Path) -> Path:
    return make_vqa(tmp_path / "vqa")  # images 0 to 39 of train2014, 900 to 908 of val2014


def test_converted_features_are_what_training_reads(vqa: Path, tmp_path: Path) -> None:
    before = data_content(TASKS["vqa"], str(vqa), tmp_path)
    sources = [vqa_features(tmp_path / "train.tsv", range(40)), vqa_features(tmp_path / "val.tsv", range(900, 911))]
    report = convert(vqa, "vqa", sources)
    split = load_split(TASKS["vqa"], str(vqa), "test", tmp_path)
    build_regions(split, tmp_path, silent)  # nothing is left to compute: no picture is there
    regions = open_regions(tmp_path, split.image_folder)
    features, boxes, mask = regions.read([split.examples[3].image])

    assert (report.num_images, report.num_converted) == (49, 49)
    again = check(TASKS["vqa"], str(vqa), tmp_path, silent)
    assert not any(MISSING_IMAGE in found.findings.counts for found in again)
    assert report.findings.counts == {"entry that matches no image": 2}
    assert (regions.width, regions.of_trunk, mask.tolist()) == (WIDTH, False, [[True] * 3])
    np.testing.assert_allclose(features[0, 1:], features_of(903), atol=2e-3)
    np.testing.assert_allclose(features[0, 0], features_of(903).mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(boxes[0, :, :4], [[0, 0, 1, 1], *BOXES], atol=1e-3)
    np.testing.assert_allclose(boxes[0, :, 6], [1, 0.25, 0.5625], atol=1e-3)
    assert not regions.shards[0].features.flags.writeable  # the mapped file itself, not a copy
    after = data_content(TASKS["vqa"], str(vqa), tmp_path)
    assert after.digest != before.digest  # a trial's identity says what it saw
    assert examples_folder(after, tmp_path) == examples_folder(before, tmp_path)  # its texts stay where they are


def test_an_interrupted_conversion_goes_on_behind_its_last_whole_shard(
    vqa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "PER_SHARD", 10)
    sources = [vqa_features(tmp_path / "train.tsv", range(40)), vqa_features(tmp_path / "val.tsv", range(900, 909))]
    seen: list[int] = []

    def killed(what: str, done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(vqa, "vqa", sources, killed)
    shards = {path: path.stat().st_mtime_ns for path in (vqa / "regions").glob("regions-*.arrow")}
    assert len(shards) == 2
    assert not (vqa / "regions" / "whole.json").exists()

    later: list[str] = []
    report = convert(vqa, "vqa", sources, lambda what, done, total: later.append(what))
    assert later.count("regions: train.tsv") == 20 + 1  # the images behind the second shard, and the end
    assert {path: path.stat().st_mtime_ns for path in shards} == shards
    assert (report.num_converted, report.findings.counts) == (49, {})
    features, _, _ = open_regions(tmp_path, str(vqa)).read(["train2014/COCO_train2014_000000000022.jpg"])
    np.testing.assert_allclose(features[0, 1:], features_of(22), atol=2e-3)


def test_images_without_features_are_named_where_they_are_needed(vqa: Path, tmp_path: Path) -> None:
    report = convert(vqa, "vqa", [vqa_features(tmp_path / "train.tsv", range(40))])
    split = load_split(TASKS["vqa"], str(vqa), "test", tmp_path)

    assert report.findings.counts == {"image without features": 9}
    with pytest.raises(MissingData, match=r"vqa test: 9 images have no region features.*000000000900\.jpg"):
        build_regions(split, tmp_path, silent)


def test_too_many_unreadable_entries_and_features_of_another_width_are_refused(vqa: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tsv"
    damaged.write_text("x\ty\n" + tsv_row(1, features_of(1), lxmert=False) + "\n")
    with pytest.raises(UnreadableData, match=r"1 of 2 entries are unreadable(.|\n)*2 columns"):
        convert(vqa, "vqa", [damaged])
    other = tmp_path / "other.tsv"
    other.write_text(tsv_row(2, np.ones((2, 9)), lxmert=False) + "\n")
    with pytest.raises(UnreadableData, match=r"2: 9 features a region, 6 in those before"):
        convert(vqa, "vqa", [vqa_features(tmp_path / "one.tsv", range(1)), other])


def test_a_region_stands_at_the_number_of_the_object_that_it_overlaps_most() -> None:
    regions = np.array([[0.5, 0.5, 1, 1], [0, 0, 0.4, 0.4], [0.2, 0, 0.3, 1]], dtype=np.float32)
    objects = np.array([[0, 0, 0.5, 0.4], [0.5, 0.5, 1, 1], [0.6, 0.6, 1, 1]], dtype=np.float32)
    order, overlap = by_object(regions, objects)

    assert order.tolist() == [1, 0, 0, 2]
    np.testing.assert_allclose(overlap, [0.8, 1.0, 0.64], atol=1e-6)


def test_tags_of_vcr_name_the_regions_of_their_objects(tmp_path: Path) -> None:
    folder = make_vcr(tmp_path / "vcr", train=1)
    write_lines(folder / "train.jsonl", [vcr_row("train-0")])
    size = {"width": 100, "height": 100}
    objects = [[25, 25, 100, 100, 0.9], [0, 0, 50, 50, 0.9], [0, 90, 10, 100, 0.9]]
    write_json(folder / "vcr1images/film/a@0.json", {"boxes": objects, **size})
    write_lmdb(tmp_path / "features", {"a@0": as_msgpack(uniter(features_of(1)))})
    report = convert(folder, "vcr", [tmp_path / "features"])
    split = load_split(TASKS["vcr"], str(folder), "test", tmp_path)
    features, _, _ = open_regions(tmp_path, split.image_folder).read(["film/a@0.jpg"])

    assert report.findings.counts == {"object that no region overlaps by half": 1}
    np.testing.assert_allclose(features[0, 1:3], features_of(1)[::-1], atol=2e-3)  # objects 0 and 1
    tags = split.examples[0].candidates[0].query.references
    assert [box for _, _, box in tags] == [0, 1]


def test_merged_sources_give_an_image_the_regions_of_both_and_a_box_that_both_have_twice(tmp_path: Path) -> None:
    folder = make_vcr(tmp_path / "vcr", train=1)
    write_lines(folder / "train.jsonl", [vcr_row("train-0")])
    size = {"width": 100, "height": 100}
    objects = [[25, 25, 100, 100, 0.9], [0, 0, 50, 50, 0.9], [0, 90, 10, 100, 0.9]]
    write_json(folder / "vcr1images/film/a@0.json", {"boxes": objects, **size})
    sources = [tmp_path / "truth", tmp_path / "detected"]
    for source, numbers in zip(sources, (1, 2), strict=True):  # the same two boxes, other features
        write_lmdb(source, {"a@0": as_msgpack(uniter(features_of(numbers)))})

    def read() -> tuple[Any, Any, int]:
        regions = open_regions(tmp_path, str(folder / "vcr1images"))
        features, boxes, _ = regions.read(["film/a@0.jpg"])
        return features[0], boxes[0], regions.num_regions("film/a@0.jpg")

    alone = convert(folder, "vcr", sources)
    assert alone.findings.counts["image a second time"] == 1
    assert read()[2] == 1 + 3  # objects 0 and 1 and the best of bad ones for object 2

    merged = convert(folder, "vcr", sources, merge=True)  # goes on where the other stopped
    assert "image a second time" not in merged.findings.counts
    features, boxes, count = read()
    assert len(features) == len(boxes) == count == 1 + 3 + 2
    np.testing.assert_allclose(features[1:3], features_of(1)[::-1], atol=2e-3)  # as questions name them
    np.testing.assert_allclose(features[4:], features_of(2), atol=2e-3)
    np.testing.assert_allclose(features[0], features[1:].astype(np.float32).mean(axis=0), atol=2e-3)
    again = convert(folder, "vcr", sources, merge=True)
    assert (again.num_converted, read()[2]) == (merged.num_converted, count)
    assert convert(folder, "vcr", sources).num_converted == merged.num_converted
    assert read()[2] == 1 + 3  # without --merge it is as before


READ_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from ablative.trainables.vision.feature_files import feature_files
from ablative.trainables.vision.feature_files import read_features
from ablative.trainables.vision.lmdb_file import LmdbFile
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
print([entry.found for entry in read_features(Path(sys.argv[1]))])
"""


def claimed(shape: tuple[int, ...]) -> bytes:
    """An .npy file of one number whose header claims more."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return out.getvalue() + bytes(4)


def test_nothing_is_allocated_on_the_word_of_a_header(tmp_path: Path) -> None:
    folder = tmp_path / "npz"
    folder.mkdir()
    fields = {"norm_bb": BOXES}
    for name, array in (("claims", claimed((100_000_000_000,))), ("bomb", None)):
        (folder / f"{name}.npz").write_bytes(as_npz(**fields))
        with zipfile.ZipFile(folder / f"{name}.npz", "a", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("features.npy", "w", force_zip64=True) as member:
                member.write(array or claimed((2, 1 << 23)))
                for _ in range(0 if array else 128):
                    member.write(bytes(1 << 20))
    deep = b"\x81\xa8features" + b"\xdd\x7f\xff\xff\xff" * 900
    write_lmdb(tmp_path / "lmdb", {"deep": deep, "wide": b"\x81\xa8features\xc6\x7f\xff\xff\xff"})
    told = []
    for source in (folder, tmp_path / "lmdb"):
        command = [sys.executable, "-c", READ_IN_LITTLE_MEMORY, str(source)]
        told.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert "claims: ValueError: 4 bytes for an array of shape (100000000000,)" in told[0]
    assert "bomb: ValueError: an array of 134,217,860 bytes, at most 67,108,864 are read" in told[0]
    assert "deep: ValueError" in told[1] and "wide: ValueError" in told[1] and "MemoryError" not in "".join(told)


def test_a_damaged_lmdb_is_refused_by_name_where_the_library_would_end_the_process(tmp_path: Path) -> None:
    entries = {f"{number:03d}": as_msgpack(uniter(features_of(number))) for number in range(100)}
    path = write_lmdb(tmp_path / "features", entries) / "data.mdb"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(UnreadableData, match=r"data\.mdb: no whole LMDB: .*cut; get the file again"):
        list(read_features(path.parent))


def test_an_lmdb_holds_what_the_library_finds_in_it(tmp_path: Path) -> None:
    rng = random.Random(3)
    with lmdb.open(str(tmp_path), map_size=1 << 26) as env:
        for _ in range(3):  # several transactions leave pages that are no longer used
            with env.begin(write=True) as view:
                for _ in range(900):
                    view.put(rng.randbytes(rng.randint(1, 400)), rng.randbytes(rng.choice([0, 5, 2000, 9000])))
                for key in [bytes(key) for key in view.cursor().iternext(values=False)][::4]:
                    view.delete(key)
        with env.begin() as view:
            expected = [(bytes(key), bytes(value)) for key, value in view.cursor()]
    with LmdbFile(tmp_path / "data.mdb") as file:
        assert list(file.items()) == expected and len(file) == len(expected) > 1000
        assert list(file.items(start=1000)) == expected[1000:]


def test_pages_that_many_branches_share_do_not_keep_a_reader_for_ever(tmp_path: Path) -> None:
    """Eight entries on each of twelve levels, all of the next page: 8 ** 11 ways to an empty leaf."""
    path = write_lmdb(tmp_path / "features", {f"{number:03d}": bytes(1000) for number in range(100)}) / "data.mdb"
    content, size = bytearray(path.read_bytes()), 4096
    for page in range(2, 14):
        entries = 8 if page < 13 else 0
        header = struct.pack("=QHHHH", page, 0, 1 if entries else 2, 16 + 2 * entries, size)
        pointers = struct.pack("=8H", *range(4000, 4064, 8)) if entries else b""
        content[page * size : page * size + len(header) + len(pointers)] = header + pointers
        content[page * size + 4000 : page * size + 4064] = struct.pack("=4H", page + 1, 0, 0, 0) * 8
    for meta in (0, size):
        content[meta + 128 : meta + 136] = struct.pack("=Q", 2)  # the root
    path.write_bytes(content)

    with LmdbFile(path) as file, pytest.raises(ValueError, match="more than one place"):
        list(file.items())


def test_a_line_without_end_and_a_strange_name_are_left_out_in_short_words(tmp_path: Path) -> None:
    path = tmp_path / "f.tsv"
    with path.open("wb") as file:
        file.write(b"\0\x1b[31m" + b"x" * (70 << 20) + b"\t\n" + tsv_row(5, features_of(1), lxmert=False).encode())
    bad, good = read_features(path)

    assert isinstance(bad.found, str) and bad.found.isprintable() and len(bad.found) < 700
    assert not isinstance(good.found, str) and good.found.key == "5"


@pytest.mark.parametrize(
    "content", ["[1]", '{"a": "../../x.jpg"}', '{"a": 1}', "[" * 100_000, "nothing", '{"a": "\\udc80"}']
)
def test_a_damaged_table_of_names_is_named_and_leads_nowhere(tmp_path: Path, content: str) -> None:
    (tmp_path / "names.json").write_text(content)

    with pytest.raises(UnreadableData, match=r"names\.json: .*expected an object of feature key"):
        read_names(tmp_path / "names.json")


def test_a_table_of_names_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_bytes(b'\xef\xbb\xbf{"7": "film/a.jpg"}')

    assert read_names(tmp_path / "names.json") == {"7": "film/a.jpg"}


def test_regions_in_the_order_of_objects_of_other_metadata_are_refused_until_they_are_converted_again(
    tmp_path: Path,
) -> None:
    folder = make_vcr(tmp_path / "vcr", train=1)
    write_lines(folder / "train.jsonl", [vcr_row("train-0")])
    metadata, held = folder / "vcr1images/film/a@0.json", tmp_path / "held.json"
    objects = [[25, 25, 100, 100, 0.9], [0, 0, 50, 50, 0.9], [0, 90, 10, 100, 0.9]]
    write_json(metadata, {"boxes": objects, "width": 100, "height": 100})
    metadata.rename(held)
    write_lmdb(tmp_path / "features", {"a@0": as_msgpack(uniter(features_of(1)))})
    convert(folder, "vcr", [tmp_path / "features"])
    data_content(TASKS["vcr"], str(folder), tmp_path)
    held.rename(metadata)
    with pytest.raises(UnreadableData, match=r"regions-0000\.arrow: its regions stand.*convert them again"):
        data_content(TASKS["vcr"], str(folder), tmp_path)

    convert(folder, "vcr", [tmp_path / "features"])
    data_content(TASKS["vcr"], str(folder), tmp_path)
    features, _, _ = open_regions(tmp_path, str(folder / "vcr1images")).read(["film/a@0.jpg"])
    np.testing.assert_allclose(features[0, 1:3], features_of(1)[::-1], atol=2e-3)


def test_a_feature_file_that_was_replaced_under_its_name_is_converted_again_and_those_behind_it(
    vqa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "PER_SHARD", 10)
    train, val = vqa_features(tmp_path / "train.tsv", range(40)), vqa_features(tmp_path / "val.tsv", range(900, 909))
    convert(vqa, "vqa", [train, val])
    first = {path: path.stat().st_mtime_ns for path in (vqa / "regions").glob("regions-000[0-3].arrow")}
    size = val.stat().st_size
    val.write_text("".join(tsv_row(i, features_of(i + 1), lxmert=False) + "\n" for i in range(900, 909)))
    assert val.stat().st_size == size
    report = convert(vqa, "vqa", [train, val])

    assert (report.num_converted, report.findings.counts) == (49, {})
    assert {path: path.stat().st_mtime_ns for path in first} == first
    features, _, _ = open_regions(tmp_path, str(vqa)).read(["val2014/COCO_val2014_000000000903.jpg"])
    np.testing.assert_allclose(features[0, 1:], features_of(904), atol=2e-3)

    vqa_features(val, range(900, 905))  # another size
    assert convert(vqa, "vqa", [train, val]).num_converted == 45


def test_an_image_in_which_no_source_found_a_region_has_the_mean_of_their_whole_images() -> None:
    shards = tuple(
        _Shard(
            features=np.full((1, 4), value, np.float16), boxes=np.zeros((1, 7), np.float32), starts=np.array([0, 1])
        )
        for value in (1.0, 3.0)
    )
    regions = RegionFeatures(shards=shards, places={"a": ((0, 0), (1, 0))}, keys={"a.jpg": "a"}, width=4)

    assert regions.num_regions("a.jpg") == 1
    np.testing.assert_array_equal(regions.read(["a.jpg"])[0], np.full((1, 1, 4), 2.0))
