"""Binary files with bytes flipped, cut out and put in: a value or the one named error, whatever the damage."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablative.trainables.data.pictures import Pictures
from ablative.trainables.errors import UnreadableData
from ablative.trainables.vision.feature_files import read_features
from ablative.trainables.vision.region_shards import image_rows
from ablative.trainables.vision.region_shards import read_shards
from ablative.trainables.vision.region_shards import write_shard
from tests.helpers.damage import damaged
from tests.unit.trainables.test_feature_files import BOXES
from tests.unit.trainables.test_feature_files import as_msgpack
from tests.unit.trainables.test_feature_files import as_npz
from tests.unit.trainables.test_feature_files import features_of
from tests.unit.trainables.test_feature_files import tsv_row
from tests.unit.trainables.test_feature_files import uniter
from tests.unit.trainables.test_feature_files import write_lmdb


def write_npz(folder: Path) -> Path:
    folder.mkdir()
    pixels = BOXES * np.array([200, 100, 200, 100], np.float32)
    (folder / "1.npz").write_bytes(as_npz(features=features_of(1), bbox=pixels, image_w=200, image_h=100))
    return folder / "1.npz"


def write_entries(folder: Path) -> Path:
    packed = {f"{number}": as_msgpack(uniter(features_of(number))) for number in range(40)}
    npz = {f"npz{number}": as_npz(**uniter(features_of(number))) for number in range(9)}
    write_lmdb(folder, packed | npz | {"long": as_msgpack(uniter(features_of(7, 500), BOXES[[0] * 500]))})
    return folder / "data.mdb"


def write_rows(folder: Path) -> Path:
    folder.mkdir()
    rows = [tsv_row(number, features_of(number), lxmert=number % 2 == 0) for number in range(6)]
    (folder / "f.tsv").write_text("\n".join(rows) + "\n")
    return folder / "f.tsv"


@pytest.mark.parametrize("write", [write_npz, write_entries, write_rows])
def test_damaged_region_features_are_left_out_by_name_or_refused(
    tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    path = write(tmp_path / "f")
    source = path if path.suffix == ".tsv" else path.parent
    fates = {"read": 0, "left out": 0, "refused": 0}
    for content in damaged(path.read_bytes(), 300):
        path.write_bytes(content)
        try:
            for entry in read_features(source):
                if isinstance(entry.found, str):
                    fates["left out"] += 1
                    assert len(entry.found) < 700 and entry.found.isprintable()
                else:
                    fates["read"] += 1
                    assert np.isfinite(entry.found.features).all() and np.isfinite(entry.found.boxes).all()
        except UnreadableData as error:
            fates["refused"] += 1
            assert str(error).startswith(f"{path}: no whole LMDB") and str(error).isprintable()
    assert fates["left out"] > 100 and (fates["refused"] > 100) == (path.suffix == ".mdb")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_a_damaged_picture_is_a_picture_or_named(tmp_path: Path, kind: str) -> None:
    content = io.BytesIO()
    colours = np.random.default_rng(3).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colours).save(content, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
    pictures, refused = Pictures(tmp_path), 0
    for bytes_ in damaged(content.getvalue(), 200):
        (tmp_path / "a").write_bytes(bytes_)
        fates: list[tuple[int, int] | None] = []
        for read in (lambda: pictures.size("a"), lambda: pictures.picture("a").size):
            try:
                fates.append(read())
            except UnreadableData as error:
                fates.append(None)
                refused += 1
                assert str(error).startswith(f"{tmp_path / 'a'}: not a picture") and str(error).isprintable()
        assert fates[0] == fates[1]
    assert refused > 40


def test_a_damaged_shard_of_pictures_is_read_or_named(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    with tarfile.open(folder / "0.tar", "w") as shard:
        for number in range(6):
            member = tarfile.TarInfo(f"{number}.jpg" if number else "long/" * 40 + "0.jpg")
            member.size = 700
            shard.addfile(member, io.BytesIO(bytes(700)))
    whole, refused = (folder / "0.tar").read_bytes(), 0
    for number, content in enumerate(damaged(whole, 300)):
        shutil.rmtree(folder)
        folder = tmp_path / f"images{number}"
        folder.mkdir()
        (folder / "0.tar").write_bytes(content)
        try:
            assert "5.jpg" not in Pictures(folder) or len(Pictures(folder).read("5.jpg")) <= len(content)
        except UnreadableData as error:
            refused += 1
            assert str(error).startswith(f"{folder / '0.tar'}: not an uncompressed tar") and str(error).isprintable()
    assert refused > 50


def test_damaged_converted_features_are_read_or_named(tmp_path: Path) -> None:
    rows = [image_rows(features_of(number).astype(np.float16), BOXES) for number in range(3)]
    write_shard(tmp_path, 0, ["a", "b", "c"], rows, source="f", position=3)
    path, refused = tmp_path / "regions-0000.arrow", 0
    assert json.dumps([shard.images for shard in read_shards(tmp_path)]) == '[["a", "b", "c"]]'
    for content in damaged(path.read_bytes(), 300):
        path.unlink()  # the old one may still be mapped
        path.write_bytes(content)
        try:
            for shard in read_shards(tmp_path):
                for start, stop in zip(shard.starts[:-1], shard.starts[1:], strict=True):
                    assert shard.features[start:stop].shape[0] == shard.boxes[start:stop].shape[0] == stop - start > 0
        except UnreadableData as error:
            refused += 1
            assert str(error).startswith(f"{path}: ") and str(error).isprintable()
    assert refused > 50
