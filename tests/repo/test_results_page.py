"""The page of results says what the kept records say: each of its commands prints what stands there."""

from __future__ import annotations

import os
import re
import shlex

import pytest
from click.testing import CliRunner

from analysis.results import load
from orchestrator.cli import ablate
from tests.helpers.sources import ROOT

KEPT = "docs/results/easy_vqa"
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


def test_kept_records_are_whole() -> None:
    results = load(str(ROOT / KEPT), "easy_vqa")

    assert results.problems == ()
    assert [row for row in results.cells.to_pylist() if row["state"] != "done"] == []
    assert results.trials.num_rows == sum(
        row["search_total"] + row["confirm_total"] for row in results.cells.to_pylist()
    )
    assert results.curves.num_rows > 0
    assert not any(results.trials["dirty"].to_pylist())


def test_kept_records_are_small() -> None:
    sizes = [os.path.getsize(path) for path in (ROOT / KEPT).rglob("*") if path.is_file()]

    assert 0 < sum(sizes) < 2_000_000
