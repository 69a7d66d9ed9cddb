"""docs/schemas says what `--json` answers look like, each with a version."""

from __future__ import annotations

import json

import pytest

from tests.golden.make_answer_schemas import ANSWERS
from tests.golden.make_answer_schemas import FOLDER
from tests.golden.make_answer_schemas import text_of


@pytest.mark.parametrize("name", ANSWERS)
def test_the_stored_schema_is_the_models(name: str) -> None:
    stored = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert stored == text_of(ANSWERS[name]), "run: python -m tests.golden.make_answer_schemas"
    schema = json.loads(stored)
    assert schema["properties"][f"{name}_version"]["const"] == 1
    assert schema["additionalProperties"] is False


def test_every_stored_schema_is_of_an_answer() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(ANSWERS)
