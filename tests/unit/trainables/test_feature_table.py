from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.feature_table import ABANDONED_S
from ablative.trainables.teachers.feature_table import FeatureTable
from ablative.trainables.teachers.feature_table import shard_folders
from ablative.trainables.teachers.feature_table import sweep
from ablative.trainables.teachers.feature_table import verify_shard

OWN, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    FeatureTable(tmp_path / "texts", OWN).add(["fox", "red fox"], [np.eye(1, 4), np.eye(2, 4)])
    return tmp_path / "texts"


def test_rows_come_back_by_name_and_other_names_are_missing(folder: Path) -> None:
    table = FeatureTable(folder, OWN)
    assert table.missing(["cat", "fox", "cat"]) == ["cat"]
    np.testing.assert_array_equal(table.rows(["red fox", "fox"])[0], np.eye(2, 4))
    np.testing.assert_array_equal(table.single(["fox", "red fox", "fox"]), np.eye(1, 4).repeat(3, 0))
    assert (len(table), table.num_rows) == (2, 3)
    with pytest.raises(KeyError, match="texts: no features of 'cat'"):
        table.rows(["fox", "cat"])


@pytest.mark.parametrize(("precision", "error"), [("float16", 2**-11), ("float32", 0)])
def test_values_are_kept_in_the_precision_asked_for(tmp_path: Path, precision: str, error: float) -> None:
    rows = np.random.default_rng(1).uniform(-1, 1, (3, 8)).astype(np.float32)
    FeatureTable(tmp_path / "t", OWN).add(["a"], [rows], precision)
    [found] = FeatureTable(tmp_path / "t", OWN).rows(["a"])
    assert found.dtype == precision
    np.testing.assert_allclose(found, rows, rtol=error, atol=2**-25 if error else 0)


def test_a_shard_that_another_process_wrote_meanwhile_stays(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    FeatureTable(folder, OWN).add(["fox", "red fox"], [np.eye(1, 4), np.eye(2, 4)])
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")} == before
    assert len(list(folder.iterdir())) == 1


def test_features_of_another_teacher_are_refused(folder: Path) -> None:
    with pytest.raises(TeacherError, match=f"features of teacher {OWN}, wanted those of {OTHER}; remove this folder"):
        FeatureTable(folder, OTHER)


def test_a_shard_of_an_earlier_version_says_no_teacher_and_is_read(folder: Path) -> None:
    [shard] = shard_folders(folder)
    (shard / "shard.json").unlink()
    assert FeatureTable(folder, OWN).missing(["fox"]) == []
    verify_shard(shard, OWN)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("name", ["keys.npy", "starts.npy", "values.npy", "shard.json"])
@pytest.mark.parametrize("harm", [_cut, lambda path: path.write_bytes(b"")])
def test_a_damaged_shard_is_named_with_its_remedy(folder: Path, name: str, harm) -> None:
    [shard] = shard_folders(folder)
    harm(shard / name)
    with pytest.raises(TeacherError, match=rf"{shard}: damaged .*; remove this folder, and `ablate teacher cache"):
        FeatureTable(folder, OWN)


def test_files_that_do_not_fit_each_other_are_a_damaged_shard(folder: Path) -> None:
    [shard] = shard_folders(folder)
    np.save(shard / "keys.npy", np.arange(7, dtype=np.uint64))
    with pytest.raises(TeacherError, match=r"damaged .7 keys, 3 starts and 3 rows do not fit"):
        FeatureTable(folder, OWN)


def test_a_changed_value_is_found_by_reading_the_shard_whole(folder: Path) -> None:
    [shard] = shard_folders(folder)
    verify_shard(shard, OWN)
    np.save(shard / "values.npy", np.zeros((3, 4), dtype=np.float16))
    assert len(FeatureTable(folder, OWN)) == 2  # opening does not read the values
    with pytest.raises(TeacherError, match=r"damaged .values.npy is not what was written"):
        verify_shard(shard, OWN)


def test_what_a_killed_writer_left_goes_and_a_writer_at_work_is_left_alone(folder: Path) -> None:
    left, at_work = folder / "building-1", folder / "building-2"
    for scratch in (left, at_work):
        shutil.copytree(shard_folders(folder)[0], scratch)
    long_ago = time.time() - ABANDONED_S - 60
    os.utime(left, (long_ago, long_ago))
    sweep(folder)
    assert not left.exists() and at_work.exists()
    assert len(FeatureTable(folder, OWN)) == 2


def test_a_shard_says_whose_it_is(folder: Path) -> None:
    facts = json.loads((shard_folders(folder)[0] / "shard.json").read_text())
    assert facts["teacher"] == OWN and len(facts["values"]) == 64
