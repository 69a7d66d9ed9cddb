from __future__ import annotations

from pathlib import Path

import pytest
from ray._private import worker as ray_worker

from ablative.cluster.messages import kept


def test_what_ray_says_goes_into_a_file_that_one_line_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    usual = ray_worker.print_to_stdstream
    with kept() as messages:
        assert list(tmp_path.iterdir()) == []
        for line in ("*** StackTrace Information ***", "Raylet is terminated."):
            ray_worker.print_to_stdstream({"lines": [line], "pid": "raylet", "is_err": False}, ignore_prefix=False)
    assert ray_worker.print_to_stdstream is usual

    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"Ray's own messages go to {messages.path}\n")
    assert (
        Path(messages.path).read_text() == "(raylet) *** StackTrace Information ***\n(raylet) Raylet is terminated.\n"
    )
