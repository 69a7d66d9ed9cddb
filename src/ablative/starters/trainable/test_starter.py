"""The method passes what the package's own pass; run by `pytest` in this folder."""

from pathlib import Path
from typing import Any

import pytest
from starter import PARTS
from starter import Config

import ablative
from ablative.testing.trainables import TrainableContract

HERE = Path(__file__).parent


class TestStarter(TrainableContract):
    @pytest.fixture
    def part(self) -> ablative.Trainable:
        return PARTS[0]

    @pytest.fixture
    def config(self) -> Any:
        """A short trial."""
        return Config(steps=12)


def test_the_study_has_no_mistakes_and_no_warnings() -> None:
    assert ablative.check(HERE / "starter.yaml", with_=HERE / "starter.py").warnings == ()
