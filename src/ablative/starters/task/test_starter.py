"""The task passes what the package's own tasks pass; run by `pytest` in this folder."""

from pathlib import Path

import pytest
from starter import PARTS

import ablative
from ablative.testing.tasks import TaskContract

HERE = Path(__file__).parent


class TestStarter(TaskContract):
    @pytest.fixture
    def part(self) -> ablative.Task:
        return PARTS[0]

    @pytest.fixture
    def folder(self) -> Path:
        return HERE / "things"


def test_the_study_has_no_mistakes_and_its_data_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    checked = ablative.check("starter.yaml", with_="starter.py")

    assert (checked.warnings, checked.absent) == ((), ())
