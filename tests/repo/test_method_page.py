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
from ablative.trainables.distillation.schedules import SCHEDULES
from ablative.trainables.distillation.scores import SCORES
from ablative.trainables.distillation.weightings import TASK_WEIGHTINGS
from ablative.trainables.distillation.weightings import WEIGHTINGS

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


OPTIONS = leaves(DistillationConfig, "distillation")
TABLES = {
    "distillation.selection.score": SCORES,
    "distillation.weighting.confidence": WEIGHTINGS,
    "distillation.weighting.schedule": SCHEDULES,
    "distillation.weighting.task": TASK_WEIGHTINGS,
}
"""Options whose values are entries of a table. The page need not explain an entry or a term that no named arm has:
`ablate parts` lists all of them."""


def named(path: str) -> set[object]:
    """The values that the default and the named arms give an option."""
    return {OPTIONS[path][0], *(changes[path] for changes in ARMS.values() if path in changes)}


def named_terms() -> list[str]:
    """The terms that a named arm switches on, in the order of the configuration."""
    return [term for term in TermWeights.model_fields if any(map(bool, named(f"distillation.terms.{term}")))]


def must_be_listed(path: str) -> bool:
    group, _, rest = path.removeprefix("distillation.").partition(".")
    term = rest if group == "terms" else group
    return term in named_terms() or term not in DistillationConfig.parts


def test_options_are_listed_once_with_their_default_and_values():
    """All but those of terms that no named arm has."""
    rows = table_under("Every option")
    listed = [quoted(row[0])[0] for row in rows]
    assert listed == [path for path in OPTIONS if path in listed or must_be_listed(path)]
    for path, default, values, _ in rows:
        expected_default, expected_values = OPTIONS[quoted(path)[0]]
        assert quoted(default) == [str(expected_default)], path
        if quoted(path)[0] in TABLES:
            assert named(quoted(path)[0]) <= {*quoted(values)} <= {*expected_values}, path
        elif expected_values:
            assert tuple(quoted(values)) == expected_values, path


def test_tables_of_formulas_name_what_their_option_may_be():
    for heading, path in (
        ("Confidence", "distillation.weighting.confidence"),
        ("Schedule", "distillation.weighting.schedule"),
        ("Weights of the task loss", "distillation.weighting.task"),
    ):
        explained = {quoted(row[0])[0] for row in table_under(heading)}
        assert named(path) <= explained <= {*TABLES[path]}, path
    distances = {quoted(row[0])[0] for row in table_under("Distance")}
    assert distances == {*OPTIONS["distillation.distance"][1]}


def test_every_control_is_explained():
    assert [quoted(row[0])[0] for row in table_under("Controls")] == list(CONTROLS)


def test_every_term_that_is_named_has_its_formula():
    listed = [row[0].strip("`") for heading in ("Terms", "Rivals") for row in table_under(heading)]
    assert listed == [term for term in TermWeights.model_fields if term in listed or term in named_terms()]
    assert {*named_terms()} > {"image", "crd"}


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
