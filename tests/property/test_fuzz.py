"""The fuzz script: a short run of it, and that it finds what it looks for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import fuzz


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_readers_take_or_refuse_whatever_strangers_write(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--inputs", "300", "--seed", "7"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["inputs"] == 300
    assert all(figures[name]["findings"] == [] for name in fuzz.TARGETS)
    assert sum(figures[name].get("taken", 0) for name in fuzz.TARGETS) > 50
    assert sum(figures[name].get("refused", 0) for name in fuzz.TARGETS) > 100


def _raises(inside: Path, damaged: Path) -> None:
    if damaged.read_bytes() != b"sound and whole":
        raise KeyError("gold_label")


def _writes(inside: Path, damaged: Path) -> None:
    (inside.parent / f"owned-{time.monotonic_ns()}").touch()


def _hangs(inside: Path, damaged: Path) -> None:
    if damaged.read_bytes() != b"sound and whole":
        time.sleep(10)


def _loops(inside: Path, damaged: Path) -> None:
    while damaged.read_bytes() != b"sound and whole":
        pass


def _is_starved(inside: Path, damaged: Path) -> None:
    time.sleep(0.3)


def _beeps(inside: Path, damaged: Path) -> None:
    if damaged.read_bytes() != b"sound and whole":
        raise fuzz.AblativeError("\x1b[2J")


@pytest.mark.parametrize("read", [_raises, _writes, _hangs, _loops, _beeps])
def test_a_traceback_a_hang_a_file_outside_and_a_message_that_beeps_are_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path, Path], None]
) -> None:
    planted = fuzz.Target(lambda sound: (sound / "a").write_bytes(b"sound and whole"), read)
    monkeypatch.setattr(fuzz, "TARGETS", {"planted": planted})
    monkeypatch.setattr(fuzz, "LIMIT_S", 0.5)
    monkeypatch.setattr(fuzz, "BLOCKED_S", 1.0 if read is _hangs else 600.0)
    assert fuzz.main(["--inputs", "2"]) == 1
    assert len(list((folder / "fuzz-findings").iterdir())) == 2


def test_a_reader_that_other_work_holds_up_does_not_hang(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starved = fuzz.Target(lambda sound: (sound / "a").write_bytes(b"sound and whole"), _is_starved)
    monkeypatch.setattr(fuzz, "TARGETS", {"starved": starved})
    monkeypatch.setattr(fuzz, "LIMIT_S", 0.2)
    assert fuzz.main(["--inputs", "2"]) == 0
