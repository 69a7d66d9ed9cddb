"""The page of the first quarter of an hour: its commands, typed one after the other, end at a verdict."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.storing.store import Store
from tests.helpers.sources import ROOT

PAGE = (ROOT / "docs" / "first_hour.md").read_text(encoding="utf-8")
SMALL = ("base.optim.min_steps=4", "base.optim.max_steps=4", "seeds.confirm=[1,2]", "--executor", "inline")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def typed(line: str, *more: str) -> None:
    words = line.split("#")[0].split()
    ran = CliRunner().invoke(ablate, [*words[1:], *more], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output


@pytest.mark.slow
def test_the_page_leads_from_an_empty_folder_to_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, check_data, study = (block.splitlines() for block in blocks("sh"))
    (draw,), (text,) = blocks("python"), blocks("yaml")

    for line in first:
        typed(line)
    exec(compile(draw, "docs/first_hour.md", "exec"), {})
    monkeypatch.chdir(tmp_path / "digits")
    typed(check_data[1])
    loss = (tmp_path / "closeness" / "closeness.py").read_text(encoding="utf-8")
    assert loss.count("teacher.text") == 2, "the page says to write another word twice"
    Path("closeness.py").write_text(loss.replace("teacher.text", "teacher.image"), encoding="utf-8")
    Path("digits.yaml").write_text(text, encoding="utf-8")
    for line in study:
        typed(line, *(SMALL if line.startswith("ablate run") else ()))

    records = Store.open("ablate-results").records("digits")
    assert {(record.arm, record.status) for record in records} == {
        ("mine", "completed"),
        ("published", "completed"),
        ("no_distillation", "completed"),
    }
    shutil.rmtree("ablate-results")
