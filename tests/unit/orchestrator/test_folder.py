from __future__ import annotations

from pathlib import Path

import pyarrow.fs
import pytest

from orchestrator.errors import StoreError
from orchestrator.folder import Folder


@pytest.fixture(params=["local", "elsewhere"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A folder on a disk, and one on a file system that is written as object storage is: in one put."""
    if request.param == "local":
        return Folder(str(tmp_path / "root"))
    (tmp_path / "bucket").mkdir()
    other = pyarrow.fs.SubTreeFileSystem(str(tmp_path / "bucket"), pyarrow.fs.LocalFileSystem())
    monkeypatch.setattr("orchestrator.folder._resolve", lambda uri: (other, ""))
    other.create_dir("/a/b")
    return Folder("bucket://root")


def test_files_are_written_read_listed_and_removed(folder: Folder) -> None:
    folder.write("a/b/one", b"1")
    folder.write("a/b/one", b"11")
    folder.write("a/b/two", b"2")

    assert folder.names("a/b") == ["one", "two"]
    assert folder.folders("a") == ["b"]
    assert folder.names("a") == []
    content = folder.read("a/b/one")
    assert content is not None
    assert content.to_pybytes() == b"11"
    assert folder.exists("a/b/one")
    folder.remove("a/b/one")
    folder.remove("a/b/one")
    assert not folder.exists("a/b/one")
    assert folder.read("a/b/one") is None


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(str(tmp_path))
    folder.write("a/one", b"old")

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("orchestrator.folder.os.fsync", full)
    with pytest.raises(StoreError, match="no space left"):
        folder.write("a/one", b"new")
    assert (tmp_path / "a" / "one").read_bytes() == b"old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["one"]
