from __future__ import annotations

import numpy as np
import pytest

from ablative.orchestrator.commands import composition
from ablative.orchestrator.simulating.assumptions import AssumptionError
from ablative.orchestrator.simulating.assumptions import Assumptions
from ablative.orchestrator.simulating.assumptions import arm_sizes
from ablative.orchestrator.simulating.assumptions import read_effects
from ablative.orchestrator.simulating.assumptions import trainable_for
from ablative.orchestrator.trials import with_parameters
from ablative.search_spaces.design import cells
from ablative.search_spaces.domains import Choice
from ablative.search_spaces.initial_settings import value_at_share
from ablative.search_spaces.space import draw
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.kinds.clip_td import CLIP_TD
from tests.helpers.simulated import make_inputs
from tests.helpers.simulated import make_study
from tests.helpers.study_text import load

LEAVE_ONE_OUT = """
study: parts
question: Which part matters?
base:
  distillation: {terms: {image: 1.0, text: 1.0, tokens: 1.0}}
arms:
  design: leave_one_out
  factors:
    selection: {without: {distillation.selection.score: all}}
    schedule: {levels: {late: {distillation.weighting.schedule: warmup}}}
  controls: [shuffled_teacher]
search:
  trials: 2
  space: {optim.lr: {loguniform: [1.0e-5, 1.0e-3]}, distillation.selection.ratio: {uniform: [0.1, 0.9]}}
"""
LADDER = """
study: steps
question: Which step matters?
base: {}
arms:
  design: ladder
  factors:
    naive: {with: {distillation.terms.image: 1.0}}
    tokens: {with: {distillation.terms.tokens: 1.0}}
"""


def test_a_part_that_is_taken_away_costs_its_size() -> None:
    sizes = arm_sizes(load(LEAVE_ONE_OUT), make_inputs(), {"selection": 0.02})

    assert sizes == {"base": 0.0, "without_selection": -0.02, "schedule=late": 0.0, "shuffled_teacher": 0.0}


def test_a_part_that_is_added_and_another_level_gain_its_size() -> None:
    assert arm_sizes(load(LEAVE_ONE_OUT), make_inputs(), {"schedule": 0.01})["schedule=late"] == 0.01
    assert arm_sizes(load(LADDER), make_inputs(), {"naive": 0.03, "tokens": 0.02}) == {
        "base": 0.0,
        "with_naive": 0.03,
        "with_naive+with_tokens": 0.05,
    }


def test_levels_arms_and_controls_get_their_size_as_it_stands() -> None:
    effects = read_effects(["without_selection=-0.04", "schedule=late=0.01", "shuffled_teacher=-5e-2", "base=0.1"])

    assert arm_sizes(load(LEAVE_ONE_OUT), make_inputs(), effects) == {
        "base": 0.1,
        "without_selection": -0.04,
        "schedule=late": 0.01,
        "shuffled_teacher": -0.05,
    }
    assert arm_sizes(load(LADDER), make_inputs(), {"with_naive": 0.03})["with_naive+with_tokens"] == 0.03


@pytest.mark.parametrize("text", ["selection", "=0.02", "selection=much", "selection=nan", "selection=inf"])
def test_an_effect_that_is_no_name_with_a_number_is_refused(text: str) -> None:
    with pytest.raises(AssumptionError, match="NAME=SIZE"):
        read_effects([text])


def test_a_name_that_the_study_lacks_is_refused_with_the_nearest() -> None:
    with pytest.raises(AssumptionError, match="did you mean selection"):
        arm_sizes(load(LEAVE_ONE_OUT), make_inputs(), {"selektion": 0.02})


def test_arms_that_are_one_computation_cannot_differ() -> None:
    study = make_study(arms={"listed": {"plain": {}, "same": {"distillation.selection.ratio": 0.5}}}, search={})
    with pytest.raises(AssumptionError, match="the same computation"):
        trainable_for(study, cells(study, TrialConfig, canonical), make_inputs(), Assumptions(effects={"same": 0.1}))


@pytest.mark.parametrize("source", ["quickstart", "easy_vqa", "clip_td_vcr", "clip_td_lowshot"])
def test_whatever_setting_is_searched_an_arm_has_its_size(source: str) -> None:
    loaded = composition.load(source)
    study, built = loaded.study, loaded.cells
    arms = dict.fromkeys(cell.arm for cell in built)
    sizes = {arm: 0.01 * (number + 1) for number, arm in enumerate(arms)}
    run = trainable_for(study, built, make_inputs(), Assumptions(effects=sizes, search_loss=0.0))
    rng = np.random.default_rng(1)
    for cell in built:
        config = TrialConfig.model_validate(cell.config)
        for _ in range(3):
            setting = draw(cell.space, config, lambda _, domain: value_at_share(domain, float(rng.random())))
            trial = with_parameters(CLIP_TD, config, setting)
            plain = run.base + run.data_gain * np.log10(trial.task.data_fraction)
            assert run.mean(trial) == pytest.approx(plain + sizes[cell.arm])


def test_a_part_counts_only_in_the_arms_that_have_it_though_the_base_comes_out_with_its_value() -> None:
    # Without tokens the selection has no effect, and the base's configuration gets the default score: the added one.
    study = load("""
        study: late
        question: q
        base: {distillation: {selection: {score: random}}}
        arms:
          design: ladder
          factors:
            tokens: {with: {distillation.terms.tokens: 1.0}}
            selection: {with: {distillation.selection.score: visual_semantic}}
        """)
    built = cells(study, TrialConfig, canonical)
    run = trainable_for(study, built, make_inputs(), Assumptions(effects={"selection": 0.02}))

    gains = {cell.arm: run.mean(TrialConfig.model_validate(cell.config)) - run.base for cell in built}

    assert gains == pytest.approx({"base": 0.0, "with_tokens": 0.0, "with_tokens+with_selection": 0.02})


def test_the_worst_value_of_a_searched_number_loses_what_is_said() -> None:
    study = load(LEAVE_ONE_OUT)
    built = cells(study, TrialConfig, canonical)
    run = trainable_for(study, built, make_inputs(), Assumptions(effects={}, search_loss=0.03))
    (base,) = (cell for cell in built if cell.arm == "base")
    config = TrialConfig.model_validate(base.config)
    for path, domain in base.space:
        assert not isinstance(domain, Choice)
        others = {other: value_at_share(d, 0.6) for other, d in base.space if other != path}
        losses = [
            run.base - run.mean(with_parameters(CLIP_TD, config, {**others, path: value}))
            for value in (domain.low, value_at_share(domain, 0.6), domain.high)
        ]
        assert max(losses) == pytest.approx(0.03)
        assert losses[1] == pytest.approx(0.0)
