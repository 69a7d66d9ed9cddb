"""The page of results says what the kept records say: each of its commands prints what stands there."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.results import load
from orchestrator.cli import ablate
from tests.helpers.sources import ROOT

KEPT = ("mini_clip_td", "mini_from_scratch", "easy_vqa")
"""Studies whose records are kept, in the order of the page."""

PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("ablate ") and "--store" in line
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_what_the_command_prints_stands_on_the_page(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    answer = CliRunner().invoke(ablate, words)

    lines = [line for line in answer.stdout.splitlines() if line]
    assert answer.exit_code == 0, answer.output
    assert len(lines) > 2
    assert [line for line in lines if line not in PAGE.splitlines()] == []


def store(study: str) -> Path:
    return ROOT / "docs" / "results" / study


def test_the_page_has_a_section_and_commands_for_each_kept_study() -> None:
    assert sorted(path.name for path in store("").iterdir()) == sorted(KEPT)
    assert {words[1] for words in COMMANDS} == set(KEPT)


@pytest.mark.parametrize("study", KEPT)
def test_kept_records_are_whole(study: str) -> None:
    results = load(str(store(study)), study)

    assert results.problems == ()
    assert [row for row in results.cells.to_pylist() if row["state"] != "done"] == []
    assert results.trials.num_rows == sum(
        row["search_total"] + row["confirm_total"] for row in results.cells.to_pylist()
    )
    assert results.curves.num_rows > 0
    assert not any(results.trials["dirty"].to_pylist())


def test_kept_records_are_small() -> None:
    sizes = [os.path.getsize(path) for path in store("").rglob("*") if path.is_file()]

    assert 0 < sum(sizes) < 5_000_000
