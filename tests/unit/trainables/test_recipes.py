"""Recipes: complete, and no more than a beginning for the study that names one."""

from __future__ import annotations

import pytest

from ablative.search_spaces.configuration import leaves
from ablative.trainables.config import TrialConfig
from ablative.trainables.recipes import RECIPES
from tests.helpers.study_text import cells_of
from tests.helpers.study_text import mistakes

STUDY = """\
study: tiny
question: Does it help?
base:
  recipe: {recipe}
  task: {{name: vqa}}
  optim: {{lr: 1e-5}}
arms: {{listed: {{a: {{distillation.terms.image: 1.0}}, b: {{}}}}, design: listed}}
"""


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_made_of_fields_of_a_trial(name: str) -> None:
    config = TrialConfig.model_validate(RECIPES[name])

    assert config.optim.min_steps == config.optim.max_steps
    assert config.student.preset.removeprefix("uniter") in name


def test_a_study_may_name_a_recipe_and_overrule_it() -> None:
    (config,) = {cell.config.optim for cell in cells_of(STUDY.format(recipe="uniter_base_vqa")).values()}

    assert (config.lr, config.head_lr_factor, config.max_steps) == (1e-5, 10.0, 6000)


def test_an_unknown_recipe_is_a_mistake_at_its_place() -> None:
    (mistake,) = mistakes(STUDY.format(recipe="uniter_base_vqaa"))

    assert (mistake.path, mistake.line) == ("base.recipe", 4)
    assert mistake.found == '"uniter_base_vqaa"' and "uniter_base_vqa" in mistake.expected


def test_no_recipe_hides_a_field_of_the_configuration() -> None:
    assert "recipe" not in TrialConfig.model_fields
    assert {"optim.head_lr_factor", "optim.trunk_lr_factor"} <= leaves(TrialConfig).keys()
