"""What fails every trial alike is one line with path, reason and remedy; an error of one trial's data is not that."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ablative.trainables.cache import written_whole
from ablative.trainables.hindrance import hindrance
from ablative.trainables.hindrance import is_full
from ablative.trainables.hindrance import told


def _error(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path) if path else OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "give this user the right to it, or name another place with ABLATE_CACHE"),
        (errno.EISDIR, "a file is needed here; move the folder away"),
        (errno.ENOSPC, "free some space there, or name another place with ABLATE_CACHE"),
        (errno.EROFS, "name another place with ABLATE_CACHE"),
        (errno.EMFILE, "allow more open files (ulimit -n)"),
    ],
)
def test_path_reason_and_remedy_are_in_one_line(number: int, remedy: str) -> None:
    line = told(_error(number, "/c/ache/mini/x"), {"ABLATE_CACHE": Path("/c/ache")})

    assert line == f"/c/ache/mini/x: {os.strerror(number)}; {remedy}"


def test_the_innermost_place_is_named() -> None:
    places = {"TMPDIR": Path("/scratch"), "ABLATE_CACHE": Path("/scratch/cache"), "--output": Path("/pages")}

    assert told(_error(errno.EROFS, "/scratch/cache/a"), places).endswith("name another place with ABLATE_CACHE")
    assert told(_error(errno.EROFS, "/pages/page.html"), places).endswith("name another place with --output")
    assert told(_error(errno.EROFS, "/data/a"), places) == "/data/a: Read-only file system"


def test_a_full_disk_that_no_path_is_told_of_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablative.trainables.hindrance._free", lambda place: 0.0 if place == tmp_path else 1e12)

    line = told(_error(errno.ENOSPC), {"TMPDIR": Path("/scratch"), "ABLATE_CACHE": tmp_path})
    assert line.startswith(f"{tmp_path}: No space left on device; free some space there")


def test_a_library_that_is_no_python_says_it_in_words() -> None:
    assert is_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert not is_full(RuntimeError("shape mismatch"))
    assert told(RuntimeError("No space left on device (os error 28)"), {}).endswith("; free some space there")


def test_a_current_folder_that_was_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    line = told(_error(errno.ENOENT), {"ABLATE_CACHE": Path("/c")})
    assert line == "the current folder was removed; change to an existing one (cd), then repeat the command"


def test_a_full_disk_hinders_every_trial_and_an_unreadable_picture_one(tmp_path: Path) -> None:
    assert hindrance(_error(errno.ENOSPC), tmp_path)
    assert hindrance(_error(errno.EROFS, str(tmp_path / "a")), tmp_path)
    assert hindrance(_error(errno.ENOENT, str(tmp_path / "none" / "a")), tmp_path / "none"), "the cache is gone"
    assert hindrance(_error(errno.EISDIR, "/data/1.jpg"), tmp_path) is None
    assert hindrance(_error(errno.ENOENT, str(tmp_path / "a")), tmp_path) is None
    assert hindrance(ValueError("a bug"), tmp_path) is None


def test_an_error_counts_with_what_caused_it(tmp_path: Path) -> None:
    try:
        raise RuntimeError("the checkpoint cannot be kept") from _error(errno.ENOSPC, "/store/a")
    except RuntimeError as raised:
        assert hindrance(raised, tmp_path) == "/store/a: No space left on device; free some space there"


def test_data_below_the_temporary_folder_is_not_sent_elsewhere() -> None:
    places = {"TMPDIR": Path("/scratch")}
    assert told(_error(errno.EACCES, "/scratch/data/train.jsonl"), places).endswith("give this user the right to it")
    assert told(_error(errno.ENOSPC, "/scratch/x"), places).endswith("or name another place with TMPDIR")


def test_a_file_that_cannot_be_written_whole_is_told_by_its_own_name(tmp_path: Path) -> None:
    target = tmp_path / "none" / "ids.txt"
    with pytest.raises(FileNotFoundError) as raised, written_whole(target) as scratch:
        scratch.write_text("")
    assert raised.value.filename == str(target)
