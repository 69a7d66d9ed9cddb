"""The page of results says what the kept records say: each of its commands prints what stands there."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from ablative.analysis.views.results import Results
from ablative.analysis.views.results import load
from ablative.orchestrator.commands import composition
from ablative.orchestrator.commands.cli import ablate
from tests.helpers.sources import ROOT

KEPT = (
    "quickstart",
    "quickstart_again",
    "statements",
    "statements_again",
    "mini_low_shot",
    "mini_clip_td",
    "mini_from_scratch",
    "easy_vqa",
)
"""Folders of kept records, in the order of the page."""
CALLED = {"mini_low_shot": "mini_clip_td", "statements": "quickstart", "statements_again": "quickstart_again"}
"""What the study in a folder was called when it ran."""
OLD = "base.task.name=snli_ve base.task.data=mini_statements base.optim.min_steps=400 base.optim.max_steps=400"
ONE_SEARCH = "'seeds={search: [0], confirm: 1-"
RUN = {
    "quickstart_again": "quickstart study=quickstart_again 'seeds.confirm=11-18'",
    "statements": f"quickstart study=statements {OLD}",
    "statements_again": f"quickstart study=statements_again 'seeds.confirm=11-18' {OLD}",
    "mini_clip_td": f"mini_clip_td {ONE_SEARCH}6}}'",
    "mini_from_scratch": f"mini_from_scratch {ONE_SEARCH}8}}'",
    "easy_vqa": f"easy_vqa {ONE_SEARCH}8}}'",
}
"""What was run where it is not what the file of this name says."""

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
    assert [line for line in lines if not _stands_on_the_page(line)] == []


def _stands_on_the_page(line: str) -> bool:
    """A row stands there as it is, a sentence with its own line breaks."""
    return line in PAGE.splitlines() or (not line.startswith("|") and line in " ".join(PAGE.split()))


def store(folder: str) -> Path:
    return ROOT / "docs" / "results" / folder


def kept(folder: str) -> Results:
    return load(str(store(folder)), CALLED.get(folder, folder))


def test_the_page_has_a_section_and_commands_for_each_kept_study() -> None:
    assert sorted(path.name for path in store("").iterdir()) == sorted(KEPT)
    assert {(words[1], words[words.index("--store") + 1]) for words in COMMANDS} == {
        (CALLED.get(folder, folder), f"docs/results/{folder}") for folder in KEPT
    }


@pytest.mark.parametrize("study", KEPT)
def test_kept_records_are_whole(study: str) -> None:
    results = kept(study)

    assert results.problems == ()
    assert [row for row in results.cells.to_pylist() if row["state"] != "done"] == []
    assert results.trials.num_rows == sum(
        row["search_total"] + row["confirm_total"] for row in results.cells.to_pylist()
    )
    assert results.curves.num_rows > 0
    assert not any(results.trials["dirty"].to_pylist())


def test_the_records_of_the_low_shot_study_answer_the_claims_that_its_file_declares() -> None:
    study, results = composition.load("mini_low_shot").study, kept("mini_low_shot")

    assert set(results.trials["status"].to_pylist()) == {"completed"}
    assert {row["claim"] for row in results.claims.to_pylist()} == set(study.comparisons.claims)


def test_kept_records_are_small() -> None:
    sizes = [os.path.getsize(path) for path in store("").rglob("*") if path.is_file()]

    assert 0 < sum(sizes) < 5_000_000


def told(study: str, arm: str) -> tuple[str, str]:
    """The arm's difference to the plain student with its interval, and its verdict, from the kept records."""
    results = kept(study)
    row = next(
        row
        for row in results.effects.to_pylist()
        if (row["family"], row["arm"], row["is_headline"]) == ("pooled", arm, True)
    )
    low, high = row["diff_ci_low"], row["diff_ci_high"]
    return f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}]", row["verdict"]


@pytest.mark.parametrize("study", KEPT)
def test_the_readme_and_the_page_say_of_a_study_what_its_records_say(study: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in readme if line.startswith(f"| `{study}` |")]
    section = " ".join(PAGE.partition(f"ablate run {RUN.get(study, study)}\n")[2].partition("ablate table")[0].split())
    cells = [cell.strip() for cell in line.split("|")][3:5]

    for arm, cell in zip(("clip_td", "naive_distillation"), cells, strict=True):
        numbers, verdict = told(study, arm)
        assert cell == f"{numbers}, {verdict}"
        assert numbers in section


def test_the_readme_opens_with_the_claims_of_the_low_shot_study() -> None:
    told = []
    for row in kept("mini_low_shot").claims.to_pylist():
        low, high = row["diff_ci_low"], row["diff_ci_high"]
        figures = f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}] | {row['p_corrected']:.4f}"
        told.append(f"{figures} | {row['verdict']} |")
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()

    assert [next((line for line in lines if line.endswith(end)), end) for end in told] == [
        line for line in lines if line.startswith(("| CLIP-TD ", "| naive distillation helps"))
    ]
