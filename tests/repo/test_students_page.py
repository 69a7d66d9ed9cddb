"""docs/students.md says what presets, recipes and options there are."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ablative.trainables.config import OptimConfig
from ablative.trainables.config import StudentConfig
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.student import Student
from ablative.trainables.parts.student import students_by_preset
from ablative.trainables.recipes import RECIPES
from tests.helpers.study_text import cells_of

PAGE = (Path(__file__).parents[2] / "docs" / "students.md").read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    """Cells of the rows of the table whose header begins so, backquotes taken off."""
    table = re.split(r"\n\n", PAGE[PAGE.index(f"| {header} |") :])[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in table]


def test_every_option_of_the_student_is_listed_with_its_default() -> None:
    """But for those of a single student, which `ablate parts` lists."""
    shared = {name: field for name, field in StudentConfig.model_fields.items() if name not in bundled().of(Student)}
    wanted = {f"student.{name}": str(field.default) for name, field in shared.items()}
    factors = (name for name in OptimConfig.model_fields if name.endswith("_lr_factor"))
    for_large_ones = ("ema", "gradient_checkpointing", "sharding")
    wanted |= {f"optim.{name}": str(OptimConfig.model_fields[name].default) for name in (*factors, *for_large_ones)}

    assert {path: default for path, default, _ in rows("path")} == wanted


def test_every_preset_is_listed_with_its_size() -> None:
    listed = {name: size for name, size, *_ in rows("preset")}

    presets = {name: student.presets[name] for name, student in students_by_preset(bundled()).items()}
    assert listed == {name: f"{preset.num_layers} x {preset.width}" for name, preset in presets.items()}


def test_every_recipe_is_listed_with_its_values() -> None:
    listed = {name: [float(value) for value in values] for name, *values in rows("recipe")}
    fields = ("lr", "head_lr_factor", "batch_size", "max_steps")

    assert listed == {name: [recipe["optim"][field] for field in fields] for name, recipe in RECIPES.items()}


def test_the_base_on_the_page_is_a_base() -> None:
    text, fragment = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    arms = {"design": "listed", "listed": {"a": {}, "b": {"distillation.terms.image": 1.0}}}
    study = {"study": "paged", "question": "?", **yaml.safe_load(text), "arms": arms}
    optim = {cell.config.optim for cell in cells_of(yaml.safe_dump(study)).values()}

    assert [(found.batch_size, found.head_lr_factor) for found in optim] == [(512, 10.0)]
    assert OptimConfig.model_validate(yaml.safe_load(fragment)["optim"]).adversarial.steps == 3
