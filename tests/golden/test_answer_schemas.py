"""docs/schemas says what `--json` answers look like, each with a version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import pytest

from ablative.orchestrator.commands.cli import ablate
from tests.golden.make_answer_schemas import ANSWERS
from tests.golden.make_answer_schemas import FOLDER
from tests.golden.make_answer_schemas import ROWS
from tests.golden.make_answer_schemas import schema_of
from tests.golden.make_answer_schemas import text_of
from tests.helpers.sources import ROOT


@pytest.mark.parametrize("name", [*ANSWERS, *ROWS])
def test_the_stored_schema_is_the_models(name: str) -> None:
    stored = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert stored == text_of(name), "run: python -m tests.golden.make_answer_schemas"


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_carries_its_version_and_nothing_unknown(name: str) -> None:
    objects = list(_objects(schema_of(name)))
    assert objects
    for found in objects:
        assert found["properties"][f"{name}_version"]["const"] == 1
        assert f"{name}_version" in found["required"]
        assert found["additionalProperties"] is False


def _objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what an answer, or an item or a line of it, may be."""
    inside = schema.get("items", schema)
    for one in inside.get("anyOf", inside.get("oneOf", [inside])):
        yield schema["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one


def test_every_stored_schema_is_of_an_answer() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {*ANSWERS, *ROWS}


def test_every_command_that_prints_json_has_a_schema_that_its_page_links() -> None:
    asked = {name for name, command in _commands(ablate) if any("--json" in p.opts for p in command.params)}
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")

    assert asked == {*ANSWERS, *ROWS}
    assert [name for name in asked if f"(schemas/{name}.json)" not in page] == []


def _commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for word, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before}{word}_")
        else:
            yield f"{before}{word}", command
