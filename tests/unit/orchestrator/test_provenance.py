from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ablative.orchestrator.storing.provenance import provenance


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def _checkout(folder: Path, content: str) -> Path:
    folder.mkdir(exist_ok=True)
    _git(folder, "init")
    (folder / "file").write_text(content)
    _git(folder, "add", "file")
    _git(folder, "commit", "-m", "first")
    return folder


def test_a_checkout_has_a_commit_and_tells_whether_it_was_changed(tmp_path: Path) -> None:
    _checkout(tmp_path, "1")
    clean = provenance(tmp_path)
    assert len(clean.commit) == 40
    assert not clean.dirty
    (tmp_path / "file").write_text("2")
    assert provenance(tmp_path).dirty


def test_an_installed_package_has_versions_and_no_commit(tmp_path: Path) -> None:
    found = provenance(tmp_path)
    assert (found.commit, found.dirty) == (None, None)
    assert {"python", "torch", "optuna", "pyarrow"} <= set(found.versions)
    assert found.host


def test_a_hook_of_another_repository_does_not_lend_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, others = _checkout(tmp_path / "ours", "1"), _checkout(tmp_path / "others", "2")
    expected = provenance(ours)
    monkeypatch.setenv("GIT_DIR", str(others / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(others))
    monkeypatch.setenv("GIT_INDEX_FILE", str(others / ".git/index"))

    assert provenance(ours) == expected
    assert expected.commit is not None and expected.dirty is False


def test_a_checkout_that_git_tells_nothing_of_is_unknown_and_not_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = _checkout(tmp_path / "ours", "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    without_git = provenance(checkout)
    assert (without_git.commit, without_git.dirty) == (None, None)


def test_a_checkout_of_another_user_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = _checkout(tmp_path / "theirs", "1")
    refusing = tmp_path / "bin" / "git"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\necho 'fatal: detected dubious ownership in repository' >&2\nexit 128\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{refusing.parent}:/usr/bin:/bin")

    assert (provenance(checkout).commit, provenance(checkout).dirty) == (None, None)
