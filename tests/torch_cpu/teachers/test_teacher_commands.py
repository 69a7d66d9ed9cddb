"""`ablate teacher` on a tiny teacher and a tiny data set with pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result

from ablative.orchestrator.commands.cli import ablate
from tests.helpers.small_teachers import pictured_snli_ve
from tests.helpers.small_teachers import small_teacher

STUDY = """
study: small
question: What does a tiny teacher make of tiny pictures?
base:
  task: {{name: snli_ve, data: {data}}}
  teacher: {{model: "{model}"}}
  distillation: {{terms: {{image: 1.0}}}}
arms: {{listed: {{naive: {{}}, tokens: {{distillation.terms.tokens: 1.0}}}}}}
search: {{trials: 1, batch: 1, space: {{}}}}
seeds: {{search: [0], confirm: [1, 2]}}
evaluate: [val]
"""
NO_FILE = ("base.teacher.checkpoint=/none/x.pt", "-q")


def run(*words: object) -> Result:
    return CliRunner().invoke(ablate, ["teacher", *map(str, words)], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study file, and beside it the cache that the first command filled."""
    folder = tmp_path_factory.mktemp("study")
    model = small_teacher(folder / "teacher").model
    (folder / "small.yaml").write_text(STUDY.format(data=pictured_snli_ve(folder / "flickr"), model=model))
    return folder


@pytest.fixture(autouse=True)
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_CACHE", str(folder / "cache"))
    return folder / "cache"


@pytest.fixture
def filled(folder: Path, cache: Path) -> Result:
    return run("cache", folder / "small.yaml")


def test_caching_shows_its_progress_and_leaves_nothing_missing(folder: Path, filled: Result) -> None:
    assert filled.exit_code == 0, filled.output
    shown = run("show", folder / "small.yaml")
    assert (shown.exit_code, shown.output.splitlines()[-1]) == (0, f"{folder / 'small.yaml'}: complete")
    assert f"local-dir:{folder / 'teacher'}  0.0 MiB" in shown.output
    assert "  images            5 keys         5 vectors of 16 float16" in shown.output
    assert "  states           12 keys        60 vectors of 16 float16" in shown.output
    assert "patches" not in shown.output


def test_what_a_changed_study_lacks_is_counted_by_teacher_and_table(folder: Path, filled: Result) -> None:
    shown = run("show", folder / "small.yaml", "base.teacher.precision=float32")
    assert shown.exit_code == 1
    lacks = [line.partition(" (float32) lacks ")[2] for line in shown.output.splitlines()[-4:]]
    assert lacks[:3] == ["5 of images", "12 of texts", "12 of states"] and lacks[3].endswith(" of words")


def test_patches_are_added_when_asked_for_and_the_rest_stays(folder: Path, filled: Result, cache: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("shard-*/values.npy")}
    added = run("cache", folder / "small.yaml", "--patches", "-q")
    assert added.exit_code == 0, added.output
    after = {path: path.stat().st_mtime_ns for path in cache.rglob("shard-*/values.npy")}
    assert before.items() <= after.items()
    assert {path.parents[1].name for path in after.keys() - before.keys()} <= {"patches"}
    assert "  patches           5 keys        20 vectors of 16 float16" in run("show").output


def test_a_damaged_file_is_named_and_ends_the_command_with_status_2(folder: Path, filled: Result, cache: Path) -> None:
    [values] = cache.glob("teacher_features/*/words/shard-*/values.npy")
    whole = values.read_bytes()
    changed = bytearray(whole)
    changed[-1] ^= 1
    try:
        values.write_bytes(bytes(changed))
        assert run("show").exit_code == 0
        found = run("show", "--verify")
        assert (found.exit_code, f"{values.parent}: damaged" in found.output) == (2, True)
        values.write_bytes(whole[:-3])
        assert run("cache", folder / "small.yaml", "-q").exit_code == 2
    finally:
        values.write_bytes(whole)


def test_a_teacher_that_is_not_there_is_a_persons_mistake(folder: Path) -> None:
    missing = run("cache", folder / "small.yaml", "base.teacher.model=ViT-B-32", *NO_FILE)
    assert missing.exit_code == 2
    assert "teacher.checkpoint: no file at /none/x.pt" in missing.output
