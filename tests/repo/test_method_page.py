"""docs/method.md says what the configuration says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from ablative.trainables.arms import ARMS
from ablative.trainables.arms import METHODS
from ablative.trainables.config import CONTROLS
from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import TermWeights

PAGE = Path(__file__).parents[2] / "docs" / "method.md"


def table_under(heading: str) -> list[list[str]]:
    """Cells of the rows of the table under a heading, backquotes kept."""
    section = re.split(r"^#+ ", PAGE.read_text(encoding="utf-8").split(f"# {heading}\n", 1)[1], flags=re.MULTILINE)[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def leaves(model: type[BaseModel], prefix: str) -> dict[str, tuple[object, tuple[str, ...]]]:
    """Dotted path -> default, and the values where they are a closed set."""
    found: dict[str, tuple[object, tuple[str, ...]]] = {}
    for name, field in model.model_fields.items():
        path = f"{prefix}.{name}"
        if isinstance(field.default, BaseModel):
            found |= leaves(type(field.default), path)
        else:
            found[path] = (field.default, get_args(field.annotation))
    return found


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


def test_every_option_is_listed_once_with_its_default_and_values():
    options = leaves(DistillationConfig, "distillation")
    rows = table_under("Every option")
    assert [quoted(row[0])[0] for row in rows] == list(options)
    for path, default, values, _ in rows:
        expected_default, expected_values = options[quoted(path)[0]]
        assert quoted(default) == [str(expected_default)], path
        if expected_values:
            assert tuple(quoted(values)) == expected_values, path


def test_tables_of_formulas_name_every_choice_of_their_option():
    for heading, path in (
        ("Distance", "distillation.distance"),
        ("Confidence", "distillation.weighting.confidence"),
        ("Schedule", "distillation.weighting.schedule"),
        ("Weights of the task loss", "distillation.weighting.task"),
    ):
        choices = leaves(DistillationConfig, "distillation")[path][1]
        assert {quoted(row[0])[0] for row in table_under(heading)} == set(choices), path


def test_every_control_is_explained():
    assert [quoted(row[0])[0] for row in table_under("Controls")] == list(CONTROLS)


def test_every_term_has_its_formula():
    listed = [row[0].strip("`") for heading in ("Terms", "Rivals") for row in table_under(heading)]
    assert listed == list(TermWeights.model_fields)


def test_every_named_arm_is_explained_and_a_method_with_the_weights_it_has():
    rows = table_under("Named arms")
    assert [quoted(row[0])[0] for row in rows] == [name for name in ARMS if name not in CONTROLS]
    for name, changes in METHODS.items():
        said = next(row[1] for row in rows if quoted(row[0])[0] == name)
        weights = {
            path.rpartition(".")[2]: value for path, value in changes.items() if ".terms." in path and value > 0
        }
        for term, weight in weights.items():
            assert f"`{term}` {weight:g}" in said, name
