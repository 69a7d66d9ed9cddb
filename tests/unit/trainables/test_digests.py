"""Digests of data and teacher."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ablative.trainables.file_digests as file_digests_module
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.benchmark.spec import spec_digest
from ablative.trainables.config import StudentConfig
from ablative.trainables.config import TaskConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.content import hashed
from ablative.trainables.digests import Digests
from ablative.trainables.digests import InputDigests
from ablative.trainables.errors import MissingData
from ablative.trainables.file_digests import file_digests
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import snli_ve_row
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_lines


def digests(config: TrialConfig, cache: Path) -> Digests:
    return InputDigests(cache).of(config)


def data_digest(task: str, data: str, cache: Path) -> str:
    return digests(TrialConfig.model_validate({"task": {"name": task, "data": data}}), cache).data


def test_bundled_data_has_a_digest_before_it_is_generated(tmp_path: Path) -> None:
    found = digests(TrialConfig(task=TaskConfig(name="vqa", data="mini")), tmp_path)

    assert len(found.data) == 64
    assert found.teacher == ""  # nothing is distilled by default
    assert not any(path.is_dir() for path in tmp_path.iterdir())  # nothing was generated


def test_digest_depends_on_the_task_and_the_data_and_not_on_the_fraction(tmp_path: Path) -> None:
    tasks = [
        TaskConfig(name=name, data=data)  # type: ignore[arg-type]
        for name in ("vcr", "snli_ve", "vqa")
        for data in ("mini", "mini_smoke")
    ]
    found = {digests(TrialConfig(task=task), tmp_path).data for task in tasks}
    low_shot = digests(TrialConfig(task=tasks[0].model_copy(update={"data_fraction": 0.01})), tmp_path).data

    assert len(found) == 6
    assert low_shot in found


def test_any_change_of_the_recipe_changes_the_benchmarks_digest() -> None:
    spec = preset("mini_smoke")
    changes = ({"seed": 1}, {"prior_skew": 2.0}, {"sizes": {**spec.sizes, "val": spec.sizes["train"]}})
    found = {spec_digest(spec.model_copy(update=change)) for change in changes}

    assert len(found | {spec_digest(spec)}) == 4


def test_real_data_has_the_digest_of_its_annotation_files(tmp_path: Path) -> None:
    folder = make_snli_ve(tmp_path / "data")
    before = data_digest("snli_ve", str(folder), tmp_path)
    assert data_digest("snli_ve", str(folder), tmp_path) == before

    write_lines(folder / "snli_ve_dev.jsonl", [snli_ve_row("changed")])
    changed = data_digest("snli_ve", str(folder), tmp_path)
    write_json(folder / "slices/test.json", {"hard": ["test-1"]})

    assert len({before, changed, data_digest("snli_ve", str(folder), tmp_path)}) == 3


def test_moved_data_keeps_its_digest(tmp_path: Path) -> None:
    folder = make_snli_ve(tmp_path / "data")
    before = data_digest("snli_ve", str(folder), tmp_path)

    assert data_digest("snli_ve", str(folder.rename(tmp_path / "moved")), tmp_path) == before


def test_missing_real_data_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="snli_ve_train"):
        digests(TrialConfig(task=TaskConfig(name="snli_ve", data=str(tmp_path))), tmp_path)


def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files be old enough for their stamps to be trusted, from here on."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10 * file_digests_module.UNSETTLED_NS)


def test_known_files_are_not_read_again_and_a_damaged_memory_is_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "big.json"
    path.write_text("{}")
    aged(monkeypatch)
    before = file_digests([path], tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", None)  # whoever reads the file fails
        assert file_digests([path], tmp_path) == before

    (tmp_path / "file_digests.json").write_text("{half")
    assert file_digests([path], tmp_path) == before


def test_a_file_that_was_replaced_under_its_size_and_modification_time_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "big.json"
    path.write_text("{}")
    stat = path.stat()
    aged(monkeypatch)
    before = file_digests([path], tmp_path)
    path.write_text("[]")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert file_digests([path], tmp_path) != before


def test_a_file_that_was_written_just_now_is_read_again_because_clocks_are_coarse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "big.json"
    path.write_text("{}")
    before = file_digests([path], tmp_path)
    stamp = file_digests_module.stamp_of(path.stat())
    path.write_text("[]")
    monkeypatch.setattr(file_digests_module, "stamp_of", lambda stat: stamp)  # the clock has not moved between

    assert file_digests([path], tmp_path) != before


def test_digests_load_neither_torch_nor_a_drawing_library(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from ablative.trainables.config import *;"
        "from ablative.trainables.digests import InputDigests;"
        f"InputDigests(pathlib.Path({str(tmp_path)!r})).of(TrialConfig());"
        "print([n for n in ('torch', 'ray', 'PIL', 'transformers') if n in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert printed.strip() == "[]"


def test_the_students_initial_weights_are_part_of_what_a_trial_is(tmp_path: Path) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    first.write_bytes(b"one")
    second.write_bytes(b"two")

    def digest(init: str) -> str:
        return digests(TrialConfig(student=StudentConfig(init=init)), tmp_path).student

    assert digest("scratch") == ""
    assert len({digest("pretrained"), digest(str(first)), digest(str(second))}) == 3
    before = digest(str(first))
    second.write_bytes(b"one")
    assert digest(str(second)) == before


def test_a_cased_vocabulary_has_another_digest_than_when_texts_reached_it_in_lower_case(tmp_path: Path) -> None:
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    as_before = []
    for name, piece in (("cased", "Cat"), ("uncased", "cat")):
        path = tmp_path / f"{name}.txt"
        path.write_text("\n".join([*(special.get(place, f"[unused{place}]") for place in range(104)), piece]) + "\n")
        student = StudentConfig(preset="uniter_base", init="scratch", vocabulary=str(path))
        of_the_file = hashed({"vocabulary": hashlib.sha256(path.read_bytes()).hexdigest()})
        as_before.append(digests(TrialConfig(student=student), tmp_path).student == of_the_file)
    assert as_before == [False, True]


@pytest.mark.parametrize("setting", ["init", "vocabulary", "trunk_checkpoint"])
def test_a_file_that_the_student_starts_from_and_that_is_not_there_is_named_before_any_trial(
    setting: str, tmp_path: Path
) -> None:
    student = StudentConfig(preset="clip_vil_base", **{"init": "scratch", setting: str(tmp_path / "none.pt")})

    with pytest.raises(MissingData, match=rf"student\.{setting}: no file at .*none\.pt"):
        digests(TrialConfig(student=student), tmp_path)
