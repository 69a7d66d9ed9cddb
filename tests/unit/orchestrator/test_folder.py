from __future__ import annotations

from pathlib import Path

import pytest

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.folder import Folder


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(str(tmp_path))
    folder.write("a/one", b"old")

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("ablative.orchestrator.storing.folder.os.fsync", full)
    with pytest.raises(StoreError, match="no space left"):
        folder.write("a/one", b"new")
    assert (tmp_path / "a" / "one").read_bytes() == b"old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["one"]
