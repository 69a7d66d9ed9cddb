"""Why Ray did not start: a long path, a full disk and a busy machine are told apart, each with its own remedy."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ablative.cluster.startup import BELOW
from ablative.cluster.startup import LONGEST_SOCKET
from ablative.cluster.startup import Machine
from ablative.cluster.startup import reason_of
from ablative.cluster.startup import remedy
from ablative.cluster.startup import short_folder
from ablative.cluster.startup import too_long

QUIET = Machine(folder="/tmp", free=1e11, load=0.4, processors=2)
LONG = "/scratch/" + "job/" * 20
SAID = {
    "long_path": "validate_socket_filename failed: AF_UNIX path length cannot exceed 107 bytes: /scratch/ray/session",
    "busy": "The current node timed out during startup. This could happen because some of the raylet failed",
    "full_disk": "[Errno 28] No space left on device: '/tmp/ray/session_2026'",
    "other": "ValueError: num_cpus must be positive",
}


@pytest.mark.parametrize("reason", SAID)
def test_ray_s_own_words_name_the_reason(reason: str) -> None:
    assert reason_of(SAID[reason], QUIET) == reason


@pytest.mark.parametrize(
    ("reason", "machine"),
    [
        ("long_path", replace(QUIET, folder=LONG)),
        ("full_disk", replace(QUIET, free=2.0**20)),
        ("no_folder", replace(QUIET, free=float("nan"))),
        ("busy", replace(QUIET, load=13.0)),
        ("other", QUIET),
    ],
)
def test_where_ray_says_nothing_the_machine_does(reason: str, machine: Machine) -> None:
    assert reason_of("", machine) == reason


def test_a_full_disk_outweighs_a_busy_machine_that_ray_waited_for_in_vain() -> None:
    assert reason_of(SAID["busy"], replace(QUIET, free=1e6, load=13.0)) == "full_disk"


def test_each_reason_has_its_own_remedy_with_the_figures() -> None:
    assert "set RAY_TMPDIR to a short path" in remedy("long_path", replace(QUIET, folder=LONG))
    assert "free some space in /tmp (1 MiB are free)" in remedy("full_disk", replace(QUIET, free=2.0**20))
    assert "load 13.0 on 2 processors" in remedy("busy", replace(QUIET, load=13.0))
    assert "/tmp/ray/session_latest/logs" in remedy("other", QUIET)
    assert "an existing folder" in remedy("no_folder", QUIET)


def test_the_longest_folder_that_is_taken_as_it_is_holds_ray_s_sockets() -> None:
    longest = "/" + "a" * (LONGEST_SOCKET - len(BELOW) - 1)
    assert not too_long(longest)
    assert too_long(longest + "a")
    assert too_long(longest[:-1] + "\N{LATIN SMALL LETTER E WITH ACUTE}"), "bytes are counted"


def test_a_long_folder_is_replaced_by_a_short_one_that_goes_again(capsys: pytest.CaptureFixture[str]) -> None:
    with short_folder(LONG) as made:
        assert made is not None and not too_long(made)
        assert os.path.isdir(made)
    assert not os.path.exists(made)
    assert f"Ray's temporary files are in {made}: {LONG} is too long" in capsys.readouterr().err


def test_a_short_folder_is_left_alone_and_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with short_folder("/tmp") as made:
        assert made is None
    with short_folder(LONG, shared=(str(tmp_path / "none"),)) as made:
        assert made is None, "there is no other place"
    assert capsys.readouterr().err == ""


def test_what_a_folder_has_is_read_from_the_machine(tmp_path: Path) -> None:
    assert Machine.here(str(tmp_path)).free > 0
    assert Machine.here(str(tmp_path / "none")).free != Machine.here(str(tmp_path / "none")).free
