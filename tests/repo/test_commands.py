"""The command line answers quickly, without Ray or torch, and takes every shipped study."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from ablative.orchestrator.commands.cli import ablate
from tests.helpers.sources import ROOT

SHIPPED = sorted(path.stem for path in (ROOT / "search_spaces").glob("*.yaml"))
EXPECTED = [
    "clip_td_lowshot",
    "clip_td_snli_ve",
    "clip_td_vcr",
    "clip_td_vqa",
    "easy_vqa",
    "mad_snli_ve",
    "mini_clip_td",
    "mini_from_scratch",
    "mini_low_shot",
    "quickstart",
]

_REPORT_MODULES = """
import json, sys
from ablative.orchestrator.commands.cli import main
status = 0
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as end:
        status = status or end.code or 0
print(json.dumps({"status": status, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def _run(folder: Path, *arguments: str) -> tuple[int, set[str], str]:
    """Run one command in `folder`; return its exit status, the top-level modules it loaded and its output."""
    return _run_each(folder, [arguments])


def _run_each(folder: Path, commands: Sequence[Sequence[str]]) -> tuple[int, set[str], str]:
    """Run commands in one process; return the first exit status that is not 0, all that was loaded and said."""
    environment = {**os.environ, "ABLATE_CACHE": str(folder / "cache"), "ABLATE_STORE": str(folder / "store")}
    result = subprocess.run(
        [sys.executable, "-c", _REPORT_MODULES, json.dumps(commands)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    *output, last = result.stdout.splitlines()
    report = json.loads(last)
    return report["status"], set(report["modules"]), "\n".join([*output, result.stderr])


def test_the_promised_studies_are_shipped() -> None:
    assert set(SHIPPED) >= set(EXPECTED)


def test_shipped_studies_check_without_ray_and_torch(tmp_path: Path) -> None:
    status, loaded, output = _run(tmp_path, "check", *SHIPPED)

    assert status == 0, output
    assert all(study in output for study in SHIPPED)
    assert not loaded & {"ray", "torch"}


@pytest.mark.slow
def test_shipped_studies_plan_without_ray_and_torch(tmp_path: Path) -> None:
    status, loaded, output = _run_each(tmp_path, [("plan", study) for study in SHIPPED])

    assert status == 0, output
    assert output.count(" owed\n") == len(SHIPPED)
    assert not loaded & {"ray", "torch"}


@pytest.mark.slow
def test_simulating_loads_neither_ray_nor_torch(tmp_path: Path) -> None:
    status, loaded, output = _run(tmp_path, "simulate", "quickstart", "--studies", "1")

    assert status == 0, output
    assert "in 1 simulated studies" in output
    assert not loaded & {"ray", "torch"}


@pytest.mark.slow
def test_showing_cached_teachers_loads_neither_ray_nor_torch_and_generates_nothing(tmp_path: Path) -> None:
    status, loaded, output = _run(tmp_path, "teacher", "show", "quickstart")

    assert status == 1, output
    assert "no teacher features in" in output and "quickstart: mini_questions has not been generated yet" in output
    assert not loaded & {"ray", "torch"}
    assert not list((tmp_path / "cache").glob("mini*"))


@pytest.mark.slow
@pytest.mark.parametrize("study", ["quickstart", "mini_clip_td"])
def test_a_status_loads_no_statistics(study: str, tmp_path: Path) -> None:
    status, loaded, output = _run(tmp_path, "status", study, "--store", str(ROOT / "docs/results" / study))

    assert status == 0, output
    assert "trials recorded" in output
    assert not loaded & {"scipy", "duckdb", "statsmodels", "ray", "torch"}


def test_a_study_that_is_not_there_ends_with_status_2_and_names_the_nearest(tmp_path: Path) -> None:
    status, _, output = _run(tmp_path, "check", "quickstat")

    assert status == 2, output
    assert "quickstart" in output
    assert "Traceback" not in output


def _commands(group: click.Group, name: str = "ablate") -> Iterator[tuple[str, click.Command]]:
    for word, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def test_every_command_can_be_quiet_and_verbose() -> None:
    """So that a script may ask any of them for its answer alone, and a person for the traceback of a mistake."""
    options = {name: {word for p in found.params for word in p.opts} for name, found in _commands(ablate)}

    assert len(options) > 20
    assert {name for name, words in options.items() if not {"-q", "--quiet", "-v", "--verbose"} <= words} == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "limit_s"), [(["--help"], 0.5), (["check", "quickstart"], 1.0), (["parts"], 1.0)]
)
def test_command_answers_in_time(arguments: list[str], limit_s: float, tmp_path: Path) -> None:
    seconds = min(_processor_seconds(arguments, tmp_path) for _ in range(3))

    assert seconds < limit_s


def _processor_seconds(arguments: list[str], folder: Path) -> float:
    """Measure processor time, which other work on the machine does not stretch as it does the clock's."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", "from ablative.orchestrator.commands.cli import main; main()", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
