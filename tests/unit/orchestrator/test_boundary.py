"""Where exceptions become an exit status: errors of the system are one line and 2, a signal is 128 and its number."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from click.testing import Result

from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.commands.boundary import if_stopped
from ablative.orchestrator.commands.cli import ablate


def _run(action: Callable[[], None]) -> Result:
    @click.command()
    @boundary
    def command() -> None:
        action()

    return CliRunner().invoke(command, [])


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """Undo what others did to this process: shells let it ignore SIGINT, and Ray leaves a handler of SIGTERM."""
    wanted = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/disk/a")


def test_an_error_of_the_system_is_one_line_and_status_2() -> None:
    result = _run(_full)

    assert (result.exit_code, result.stderr) == (2, "/disk/a: No space left on device; free some space there\n")


def test_a_bug_and_a_closed_pipe_stay_what_they_are() -> None:
    def bug() -> None:
        raise KeyError("a bug")

    def closed() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    assert isinstance(_run(bug).exception, KeyError)
    assert _run(closed).exit_code == 1, "click ends a command whose reader has gone"


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda n: str(int(n)),
)
def test_a_signal_cleans_up_says_so_and_gives_its_status(number: signal.Signals, status: int) -> None:
    cleaned = []

    def stopped() -> None:
        if_stopped("Stopped.")
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(signal.SIGTERM if number != signal.SIGINT else signal.SIGCONT)  # one more disturbs not
            cleaned.append(True)

    result = _run(stopped)
    assert (result.exit_code, result.stderr, cleaned) == (status, "Stopped.\n", [True])


def test_a_signal_while_code_is_made_of_text_gives_its_status_too(tmp_path: Path) -> None:
    """As dataclasses are, at import: after a plain KeyboardInterrupt there, `python -m` ends by SIGINT."""
    (tmp_path / "program.py").write_text("""
import click
from ablative.orchestrator.commands.boundary import boundary

@click.command()
@boundary
def command():
    exec("import signal; signal.raise_signal(signal.SIGTERM)")

command()
""")
    line = [sys.executable, "-m", "program"]
    ended = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (143, "Stopped.\n")


def test_what_a_signal_breaks_on_its_way_is_not_told_as_a_mistake() -> None:
    def broken() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            _full()

    result = _run(broken)
    assert (result.exit_code, result.stderr) == (143, "Stopped.\n")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert _run(lambda: signal.raise_signal(signal.SIGHUP)).exit_code == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_afterwards_signals_are_as_they_were() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    _run(lambda: None)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "file" / "cache"))
    result = CliRunner().invoke(ablate, ["data", "build", "mini_smoke", "-q"])

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "name another place with ABLATE_CACHE" in result.stderr


def test_a_current_folder_that_was_removed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = tmp_path / "a.yaml"
    study.write_text(
        "study: a\nquestion: Is it read?\nbase: {}\narms: {listed: {one: {}, two: {student.dropout: 0.2}}}\n"
    )
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    os.rmdir(gone)
    result = CliRunner().invoke(ablate, ["check", str(study)])

    assert result.exit_code == 2
    assert result.stderr.startswith("the current folder was removed")
