from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from ablative.orchestrator.commands import composition
from ablative.search_spaces.shipped import FOLDER
from ablative.search_spaces.shipped import shipped
from tests.helpers.study_text import HEAD

SCHEMA = composition.schema(None, ())
VALIDATOR = Draft202012Validator(SCHEMA)


def errors(text: str) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def test_the_committed_schema_is_the_one_that_is_generated() -> None:
    committed = json.loads((FOLDER / "study.schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(SCHEMA)), (
        "write it again: ablate schema > search_spaces/study.schema.json"
    )


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", shipped())
def test_shipped_studies_name_the_schema_and_pass_it(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=study.schema.json\n")
    # YAML 1.1 takes 2e-4 for text, which editors do not.
    assert errors(text.replace("e-", ".0e-")) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("serch: {}", "$"),
        ("base: {task: {name: vcrr}}", "$.base.task.name"),
        ("search: {trials: 0}", "$.search.trials"),
        ("conditions: {task.nam: [vcr]}", "$.conditions"),
        ("conditions: {task.name: [vcrr]}", "$.conditions['task.name'][0]"),
        ("evaluate: [vall]", "$.evaluate[0]"),
        ("arms: {listed: {a: {optim.lrr: 1}}}", "$.arms.listed"),
        ("arms: {controls: [nothing]}", "$.arms.controls"),
        ("arms: {factors: {a: {with: {optim.lr: -1}}}}", "$.arms.factors.a"),
        ("search: {space: {optim.lr: {unifrm: [1, 2]}}}", "$.search.space['optim.lr']"),
        ("search: {space: {optim.l: {uniform: [1, 2]}}}", "$.search.space"),
        ("search: {space: {optim.lr: {uniform: [1, 2], when: {task.nam: vcr}}}}", "$.search.space['optim.lr']"),
    ],
)
def test_an_editor_sees_typos_in_keys_paths_values_and_names(text: str, path: str) -> None:
    assert errors(HEAD + text if not text.startswith("base") else f"study: a\nquestion: q\n{text}") == [path]


@pytest.mark.parametrize(
    "text",
    [
        "arms: {design: add_one, factors: {distillation.distance: [l1, mse], a: {with: {optim.lr: 0.1}}}}",
        "arms: {listed: [no_distillation, naive_distillation], controls: {mine: {distillation.terms: {image: 0.5}}}}",
        "search: {space: {optim.lr: {uniform: [0.1, 0.2], when: {task.name: {in: [vcr]}, optim.epochs: {not: 3}}}}}",
    ],
)
def test_every_form_that_loads_passes_the_schema(text: str) -> None:
    assert errors(HEAD + text) == []


def test_an_editor_has_a_description_for_every_field() -> None:
    def described(field: dict[str, Any]) -> bool:
        target = field.get("$ref", "").rpartition("/")[2]
        return "description" in field or "description" in SCHEMA["$defs"].get(target, {})

    models = ("Target", "Arms", "Search", "Seeds", "Resources", "Comparisons", "Uniform", "Choice")
    fields = {(model, name): field for model in models for name, field in SCHEMA["$defs"][model]["properties"].items()}
    fields |= {("Study", name): field for name, field in SCHEMA["properties"].items()}
    assert [place for place, field in fields.items() if not described(field)] == []
