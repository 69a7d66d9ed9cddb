from __future__ import annotations

import math
from typing import Any

import pytest

from ablative.search_spaces.domains import Choice
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.domains import LogRandInt
from ablative.search_spaces.domains import LogUniform
from ablative.search_spaces.domains import QUniform
from ablative.search_spaces.domains import RandInt
from ablative.search_spaces.domains import Uniform
from ablative.search_spaces.proposals import INITIAL_TRIALS
from ablative.search_spaces.proposals import Proposer
from ablative.search_spaces.proposals import Setting
from ablative.search_spaces.proposals import told
from ablative.trainables.config import TrialConfig

SPACE: tuple[tuple[str, Domain], ...] = (
    ("optim.lr", LogUniform(loguniform=(1e-5, 1e-2))),
    ("distillation.weighting.schedule", Choice(choice=("constant", "warmup"))),
    ("optim.warmup_fraction", Uniform(uniform=(0.0, 0.5), when={"distillation.weighting.schedule": "warmup"})),
    ("optim.epochs", RandInt(randint=(1, 5))),
    ("optim.min_steps", LogRandInt(lograndint=(1, 100))),
    ("student.dropout", QUniform(quniform=(0.0, 0.3, 0.1))),
)


def _proposer(mode: Any = "max", sampler: Any = "tpe", space: Any = SPACE) -> Proposer:
    return Proposer(space=space, config=TrialConfig(), sampler=sampler, mode=mode, seeds=(0,))


def _searched(proposer: Proposer, batches: int, failing: bool = False) -> list[Setting]:
    found: list[Setting] = []
    for batch in range(batches):
        for index, parameters in enumerate(proposer.propose(batch, 4, found[: batch * 4])):
            away = abs(math.log10(parameters["optim.lr"]) + 3)
            value = None if failing and index == 0 else (-away if proposer.mode == "max" else away)
            state: Any = "failed" if value is None else "completed"
            found.append(Setting(parameters=parameters, value=value, state=state))
    return found


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_proposals_are_a_function_of_the_earlier_results(sampler: str) -> None:
    first, second = _searched(_proposer(sampler=sampler), 4), _searched(_proposer(sampler=sampler), 4)
    assert first == second


def test_tpe_learns_from_values_and_random_does_not() -> None:
    earlier = _searched(_proposer(), 3)
    assert len(earlier) >= INITIAL_TRIALS
    reversed_values = [Setting(parameters=s.parameters, value=-(s.value or 0.0)) for s in earlier]

    assert _proposer().propose(3, 4, earlier) != _proposer().propose(3, 4, reversed_values)
    random = _proposer(sampler="random")
    assert random.propose(3, 4, earlier) == random.propose(3, 4, reversed_values)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_tpe_comes_near_the_best_setting(mode: str) -> None:
    found = _searched(_proposer(mode, space=SPACE[:1]), 10)
    learned = [abs(setting.value or 0.0) for setting in found[INITIAL_TRIALS + 2 :]]
    drawn = [abs(s.value or 0.0) for s in _searched(_proposer(mode, "random", SPACE[:1]), 10)]
    assert sorted(learned)[len(learned) // 2] < sorted(drawn)[len(drawn) // 2] / 2


def test_failed_settings_are_told_and_do_not_stop_the_search() -> None:
    found = _searched(_proposer(), 5, failing=True)
    assert len(found) == 20


def test_every_proposal_lies_in_the_space_and_follows_its_requirements() -> None:
    domains = dict(SPACE)
    for setting in _searched(_proposer(), 6):
        assert all(domains[path].contains(value) for path, value in setting.parameters.items()), setting
        warm = setting.parameters["distillation.weighting.schedule"] == "warmup"
        assert ("optim.warmup_fraction" in setting.parameters) == warm


def test_real_numbers_have_six_significant_digits() -> None:
    for setting in _searched(_proposer(), 5):
        lr = setting.parameters["optim.lr"]
        assert lr == float(f"{lr:.6g}")


NUMBERS = tuple((path, domain) for path, domain in SPACE if not domain.when and not isinstance(domain, Choice))
FINITE: tuple[tuple[str, Domain], ...] = (
    ("distillation.weighting.schedule", Choice(choice=("constant", "warmup"))),
    ("student.dropout", QUniform(quniform=(0.0, 0.2, 0.1), when={"distillation.weighting.schedule": "warmup"})),
    ("optim.epochs", RandInt(randint=(1, 3))),
)


def test_cmaes_is_a_function_of_the_earlier_results_and_closes_in_on_the_best() -> None:
    first, second = (_searched(_proposer(sampler="cmaes", space=NUMBERS), 12) for _ in range(2))
    assert first == second

    def away(settings: list[Setting]) -> float:
        return sum(abs(math.log10(setting.parameters["optim.lr"]) + 3) for setting in settings) / len(settings)

    assert away(first[-8:]) < 0.5 * away(first[:12])


def test_cmaes_learns_from_values() -> None:
    proposer = _proposer(sampler="cmaes", space=NUMBERS)
    earlier = _searched(proposer, 5)
    reversed_values = [Setting(parameters=s.parameters, value=-(s.value or 0.0)) for s in earlier]
    assert proposer.propose(5, 4, earlier) != proposer.propose(5, 4, reversed_values)


def test_a_grid_has_every_setting_once_in_batches_and_then_ends() -> None:
    proposer = _proposer(sampler="grid", space=FINITE)
    settings = [setting for batch in range(3) for setting in proposer.propose(batch, 3, [])]
    assert len(settings) == 2 + 3 * 2
    assert len({repr(setting) for setting in settings}) == len(settings)
    assert all(
        ("student.dropout" in setting) == (setting["distillation.weighting.schedule"] == "warmup")
        for setting in settings
    )
    assert proposer.propose(3, 3, []) == []


def test_optuna_is_told_what_a_rule_stopped_as_pruned_and_what_failed_as_failed() -> None:
    from optuna.trial import TrialState

    space = (("optim.lr", LogUniform(loguniform=(1e-5, 1e-2))),)
    parameters = {"optim.lr": 1e-3}
    curve = ((1, 0.25), (2, 0.5))
    stopped = told(Setting(parameters=parameters, value=None, state="stopped", intermediate=curve), space, [])
    assert (stopped.state, stopped.intermediate_values) == (TrialState.PRUNED, {1: 0.25, 2: 0.5})
    assert told(Setting(parameters=parameters, value=None, state="failed"), space, []).state == TrialState.FAIL
    complete = told(Setting(parameters=parameters, value=0.5), space, [0.5])
    assert (complete.state, complete.value, complete.params) == (TrialState.COMPLETE, 0.5, parameters)


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_what_was_stopped_or_failed_is_no_obstacle(sampler: str) -> None:
    proposer = _proposer(sampler=sampler, space=NUMBERS)
    earlier = [
        Setting(parameters=s.parameters, value=None, state="stopped", intermediate=((1, 0.1),))
        if index % 3 == 0
        else Setting(parameters=s.parameters, value=None, state="failed")
        if index % 3 == 1
        else s
        for index, s in enumerate(_searched(proposer, 5))
    ]
    assert len(proposer.propose(5, 4, earlier)) == 4


def test_ties_are_told_as_they_are() -> None:
    tied = [Setting(parameters=s.parameters, value=0.5) for s in _searched(_proposer(), 3)]
    assert len(_proposer().propose(3, 4, tied)) == 4


def test_a_warm_start_takes_the_place_of_the_initial_settings() -> None:
    warm = _searched(_proposer(), 3)
    assert _proposer().propose(0, 4, [], warm) != _proposer().propose(0, 4, [])
    assert _proposer().propose(0, 4, [], warm) == _proposer().propose(0, 4, [], warm)


@pytest.mark.parametrize("change", [{"optim.lr": 1.0}, {"optim.batch_size": 8}], ids=["outside", "unknown"])
def test_settings_that_are_none_of_this_space_are_not_learned_from(change: dict[str, Any]) -> None:
    warm = [Setting(parameters={**s.parameters, **change}, value=s.value) for s in _searched(_proposer(), 3)]
    assert _proposer().propose(0, 4, [], warm) == _proposer().propose(0, 4, [])
