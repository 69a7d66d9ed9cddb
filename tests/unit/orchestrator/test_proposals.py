from __future__ import annotations

import math
from typing import Any

import pytest

from orchestrator.proposals import INITIAL_TRIALS
from orchestrator.proposals import Proposer
from orchestrator.proposals import Setting
from search_spaces.domains import Choice
from search_spaces.domains import Domain
from search_spaces.domains import LogRandInt
from search_spaces.domains import LogUniform
from search_spaces.domains import QUniform
from search_spaces.domains import RandInt
from search_spaces.domains import Uniform
from trainables.config import TrialConfig

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
            found.append(Setting(parameters=parameters, value=value))
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
