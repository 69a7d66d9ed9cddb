"""The study is sound, and its pictures are read; run by `pytest` in this folder."""

import csv
from pathlib import Path

import pytest

import ablative

HERE = Path(__file__).parent


def test_the_study_has_no_mistakes_and_its_data_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    checked = ablative.check("starter.yaml")

    assert (checked.warnings, checked.absent) == ((), ())


def test_every_row_has_its_picture() -> None:
    with (HERE / "pictures" / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert [row["file_name"] for row in rows if not (HERE / "pictures" / row["file_name"]).is_file()] == []
