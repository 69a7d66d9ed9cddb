"""The term passes what the package's own terms pass; run by `pytest` in this folder."""

from pathlib import Path

import pytest
from starter import PARTS

import ablative
from ablative.testing.terms import TermContract

HERE = Path(__file__).parent


class TestStarter(TermContract):
    @pytest.fixture
    def part(self) -> ablative.Term:
        return PARTS[0]


def test_the_study_has_no_mistakes_and_no_warnings() -> None:
    assert ablative.check(HERE / "starter.yaml", with_=HERE / "starter.py").warnings == ()
