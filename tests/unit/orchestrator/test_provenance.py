from __future__ import annotations

import subprocess
from pathlib import Path

from orchestrator.provenance import provenance


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_a_checkout_has_a_commit_and_tells_whether_it_was_changed(tmp_path: Path) -> None:
    _git(tmp_path, "init")
    (tmp_path / "file").write_text("1")
    _git(tmp_path, "add", "file")
    _git(tmp_path, "commit", "-m", "first")
    clean = provenance(tmp_path)
    assert len(clean.commit) == 40
    assert not clean.dirty
    (tmp_path / "file").write_text("2")
    assert provenance(tmp_path).dirty


def test_an_installed_package_has_versions_and_no_commit(tmp_path: Path) -> None:
    found = provenance(tmp_path)
    assert (found.commit, found.dirty) == ("", False)
    assert {"python", "torch", "optuna", "pyarrow"} <= set(found.versions)
    assert found.host
