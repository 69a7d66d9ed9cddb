"""What trials read is in their identity: pictures, metadata and converted features, by their bytes."""

from __future__ import annotations

import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import ablative.trainables.data.manifest as manifest_module
from ablative.orchestrator.trials import trial_ids
from ablative.progress import silent
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.data.content import data_content
from ablative.trainables.data.content import verify_content
from ablative.trainables.data.convert import prepare_examples
from ablative.trainables.data.load import load_split
from ablative.trainables.data.manifest import known_digests
from ablative.trainables.data.manifest import look
from ablative.trainables.data.tables import read_table
from ablative.trainables.data.tables import write_table
from ablative.trainables.digests import Digests
from ablative.trainables.digests import InputDigests
from ablative.trainables.errors import MissingData
from ablative.trainables.file_digests import UNSETTLED_NS
from ablative.trainables.kinds.clip_td import CLIP_TD
from ablative.trainables.vision.region_shards import write_shard
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import vcr_row
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_lines

METADATA = {"boxes": [[1, 2, 30, 40, 0.9], [5, 6, 7, 8, 0.8], [0, 0, 9, 9, 0.7]], "width": 60, "height": 50}


@pytest.fixture
def vcr(tmp_path: Path) -> Path:
    """VCR with two training pictures and one of val; val's has metadata."""
    folder = make_vcr(tmp_path / "vcr")
    for name in ("0", "1", "a"):
        (folder / f"vcr1images/film/{name}@0.jpg").write_bytes(f"picture {name}".encode())
    return folder


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are old enough for their stamps to be trusted."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10 * UNSETTLED_NS)


def digest(folder: Path, cache: Path, **changes: object) -> Digests:
    return InputDigests(cache).of(config_of(folder, **changes))


def config_of(folder: Path, **changes: object) -> TrialConfig:
    return canonical(TrialConfig.model_validate({"task": {"name": "vcr", "data": str(folder)}, **changes}))


def trial_id(folder: Path, cache: Path, **changes: object) -> str:
    found = digest(folder, cache, **changes)
    return trial_ids(CLIP_TD, config_of(folder, **changes), (1,), ("val",), found, {})[0]


def replaced(folder: Path) -> None:
    (folder / "vcr1images/film/0@0.jpg").write_bytes(b"another  ")


def lost(folder: Path) -> None:
    (folder / "vcr1images/film/0@0.jpg").unlink()


def described(folder: Path) -> None:
    write_json(folder / "vcr1images/film/0@0.json", METADATA)


def packed(folder: Path) -> None:
    """A shard comes before the loose pictures."""
    (folder / "elsewhere.jpg").write_bytes(b"another picture")
    with tarfile.open(folder / "vcr1images/0.tar", "w") as shard:
        shard.add(folder / "elsewhere.jpg", "film/0@0.jpg")


def linked(folder: Path) -> None:
    (folder / "elsewhere.jpg").write_bytes(b"another picture")
    (folder / "vcr1images/film/0@0.jpg").unlink()
    (folder / "vcr1images/film/0@0.jpg").symlink_to(folder / "elsewhere.jpg")


@pytest.mark.parametrize("change", [replaced, lost, described, packed, linked])
def test_what_lies_under_the_names_of_the_annotations_decides_a_trials_id(
    change: Callable[[Path], None], vcr: Path, tmp_path: Path
) -> None:
    before = trial_id(vcr, tmp_path)
    change(vcr)

    assert trial_id(vcr, tmp_path) != before
    assert trial_id(vcr, tmp_path / "other") == trial_id(vcr, tmp_path)  # what a memory of files has no part in


def touched(folder: Path) -> None:
    os.utime(folder / "vcr1images/film/0@0.jpg", ns=(1, 1))


def added(folder: Path) -> None:
    (folder / "vcr1images/film/9@0.jpg").write_bytes(b"a picture that no annotation names")
    write_json(folder / "vcr1images/film/9@0.json", METADATA)


def moved_into_a_shard(folder: Path) -> None:
    with tarfile.open(folder / "vcr1images/film/0.tar", "w") as shard:
        for path in sorted(folder.glob("vcr1images/film/*@0.*")):
            shard.add(path, path.name)
            path.unlink()


@pytest.mark.parametrize("change", [touched, added, moved_into_a_shard])
def test_times_places_and_pictures_that_no_annotation_names_decide_nothing(
    change: Callable[[Path], None], vcr: Path, tmp_path: Path
) -> None:
    before = trial_id(vcr, tmp_path)
    change(vcr)

    assert trial_id(vcr, tmp_path) == before


def test_a_data_set_that_is_moved_and_a_checkpoint_that_is_copied_keep_their_trials(vcr: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.pt", tmp_path / "second.pt"
    first.write_bytes(b"weights")
    second.write_bytes(b"weights")
    before = trial_id(vcr, tmp_path, student={"init": str(first)})
    moved = vcr.rename(tmp_path / "moved")

    assert trial_id(moved, tmp_path, student={"init": str(second)}) == before
    assert trial_id(moved, tmp_path, student={"init": "scratch"}) != before
    second.write_bytes(b"other weights")
    assert trial_id(moved, tmp_path, student={"init": str(second)}) != before


@pytest.mark.usefixtures("aged")
def test_a_second_look_reads_only_what_has_changed(vcr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_content(TASKS["vcr"], str(vcr), tmp_path)
    read: list[str] = []
    digest_of = manifest_module._digest
    monkeypatch.setattr(
        manifest_module, "_digest", lambda folder, name, member: read.append(name) or digest_of(folder, name, member)
    )
    data_content(TASKS["vcr"], str(vcr), tmp_path)
    assert read == []

    replaced(vcr)
    described(vcr)
    data_content(TASKS["vcr"], str(vcr), tmp_path)
    assert sorted(read) == ["film/0@0.jpg", "film/0@0.json"]


def test_a_picture_that_was_written_just_now_is_read_again_because_clocks_are_coarse(
    vcr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest_module, "stamp_of", lambda status: (7, 7, time.time_ns()))
    before = data_content(TASKS["vcr"], str(vcr), tmp_path)
    now = time.time_ns()
    monkeypatch.setattr(manifest_module, "stamp_of", lambda status: (7, 7, now))
    data_content(TASKS["vcr"], str(vcr), tmp_path)
    replaced(vcr)  # within the tick of the clock in which the last look has read it

    assert data_content(TASKS["vcr"], str(vcr), tmp_path).pictures != before.pictures


@pytest.mark.usefixtures("aged")
def test_a_shard_that_was_written_anew_in_place_is_read_anew(vcr: Path, tmp_path: Path) -> None:
    packed(vcr)
    before = data_content(TASKS["vcr"], str(vcr), tmp_path)
    (vcr / "elsewhere.jpg").write_bytes(b"a third picture, which is longer than the one before")
    times = (vcr / "vcr1images").stat()
    with tarfile.open(vcr / "vcr1images/0.tar", "w") as shard:
        shard.add(vcr / "elsewhere.jpg", "another name")
        shard.add(vcr / "elsewhere.jpg", "film/0@0.jpg")
    assert (vcr / "vcr1images").stat().st_mtime_ns == times.st_mtime_ns  # the folder does not tell

    after = data_content(TASKS["vcr"], str(vcr), tmp_path)
    assert after.pictures != before.pictures
    (vcr / "vcr1images/0.tar").unlink()
    (vcr / "elsewhere.jpg").replace(vcr / "vcr1images/film/0@0.jpg")
    assert data_content(TASKS["vcr"], str(vcr), tmp_path).pictures == after.pictures


def test_a_damaged_manifest_is_made_anew(vcr: Path, tmp_path: Path) -> None:
    before = data_content(TASKS["vcr"], str(vcr), tmp_path)
    for path in (tmp_path / "manifests").iterdir():
        path.write_bytes(b"ARROW1 and then nothing")

    assert data_content(TASKS["vcr"], str(vcr), tmp_path) == before


def test_two_data_sets_of_one_image_folder_keep_both_their_pictures(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    look(tmp_path, ["a.jpg"], tmp_path / "cache", silent)
    look(tmp_path, ["b.jpg", "none.jpg"], tmp_path / "cache", silent)
    assert sorted(known_digests(str(tmp_path), tmp_path / "cache")) == ["a.jpg", "b.jpg"]

    (tmp_path / "a.jpg").unlink()
    look(tmp_path, ["a.jpg"], tmp_path / "cache", silent)
    assert sorted(known_digests(str(tmp_path), tmp_path / "cache")) == ["b.jpg"]


def test_stored_examples_are_not_taken_once_metadata_has_come(vcr: Path, tmp_path: Path) -> None:
    write_lines(vcr / "train.jsonl", [vcr_row("train-0", "film/0@0.jpg")])
    prepare_examples(TASKS["vcr"], str(vcr), tmp_path, silent)
    assert load_split(TASKS["vcr"], str(vcr), "train", tmp_path).boxes == {}
    described(vcr)
    data_content(TASKS["vcr"], str(vcr), tmp_path)

    split = load_split(TASKS["vcr"], str(vcr), "train", tmp_path)
    assert len(split.boxes["film/0@0.jpg"]) == 3
    assert any(candidate.query.references for candidate in split.examples[0].candidates)


def convert(folder: Path, value: float) -> None:
    """Features of all three pictures, as `ablate data prepare --regions` leaves them."""
    target = folder / "vcr1images/regions"
    target.mkdir(exist_ok=True)
    rows = [(np.full((2, 4), value, np.float16), np.zeros((2, 7), np.float32)) for _ in range(3)]
    write_shard(target, 0, ["film/0@0.jpg", "film/1@0.jpg", "film/a@0.jpg"], rows, source="x", position=3)
    write_json(target / "whole.json", {"digest": "as it was told", "width": 4, "num_images": 3})


def test_converted_features_stand_for_the_pictures_but_for_whoever_reads_those_nevertheless(
    vcr: Path, tmp_path: Path
) -> None:
    convert(vcr, 1.0)
    distilled: dict[str, object] = {"distillation": {"terms": {"image": 1.0}}}
    looking: dict[str, object] = {"student": {"visual_input": "patches"}}
    before = [digest(vcr, tmp_path, **changes) for changes in ({}, distilled, looking)]
    replaced(vcr)
    plain, taught, pixels = (digest(vcr, tmp_path, **changes) for changes in ({}, distilled, looking))

    assert len({found.data for found in (*before, plain, taught, pixels)}) == 1  # arms of one data set are compared
    assert plain == before[0]
    assert taught.teacher != before[1].teacher and taught.student == before[1].student
    assert pixels.student != before[2].student


def test_converted_features_are_told_by_their_bytes_and_not_by_what_was_written_beside_them(
    vcr: Path, tmp_path: Path
) -> None:
    convert(vcr, 1.0)
    before = digest(vcr, tmp_path)
    convert(vcr, 2.0)

    assert digest(vcr, tmp_path).data != before.data


def test_a_worker_notices_that_the_data_is_not_what_its_trial_was_planned_with(vcr: Path, tmp_path: Path) -> None:
    planned = data_content(TASKS["vcr"], str(vcr), tmp_path).digest
    verify_content(TASKS["vcr"], str(vcr), tmp_path, planned)
    data_content(TASKS["vcr"], str(vcr), tmp_path, pictures=False)  # somebody prepares examples meanwhile
    verify_content(TASKS["vcr"], str(vcr), tmp_path, planned)

    replaced(vcr)
    data_content(TASKS["vcr"], str(vcr), tmp_path)  # another run has looked
    with pytest.raises(MissingData, match="changed since this run was planned; run the same command"):
        verify_content(TASKS["vcr"], str(vcr), tmp_path, planned)


def test_a_worker_notices_changed_annotations_without_a_look(vcr: Path, tmp_path: Path) -> None:
    planned = data_content(TASKS["vcr"], str(vcr), tmp_path).digest
    write_lines(vcr / "train.jsonl", [vcr_row("train-9", "film/0@0.jpg")])

    with pytest.raises(MissingData, match="changed since this run was planned"):
        verify_content(TASKS["vcr"], str(vcr), tmp_path, planned)


def test_a_manifest_with_any_byte_damaged_is_made_anew(tmp_path: Path) -> None:
    table = pa.table({"name": ["a.jpg", "b.jpg"], "size": [1, 2]})
    path = tmp_path / "table.arrow"
    write_table(path, table)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
        found = read_table(path, table.schema)
        assert found is None or len(found.to_pylist()) == 2
