from __future__ import annotations

import json
import statistics
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result

from orchestrator.cli import ablate
from orchestrator.simulation import SimulatedStudy
from orchestrator.simulation import SimulationError
from orchestrator.simulation import many
from orchestrator.simulation import named_effects
from orchestrator.simulation import simulate
from orchestrator.simulation import true_effects
from search_spaces.design import Cell
from search_spaces.design import cells
from search_spaces.study import Study
from tests.helpers.simulated import make_study
from trainables.config import TrialConfig
from trainables.config import canonical
from trainables.simulated import SimulatedTrainable

TERMS = {"distillation": {"terms": {"image": 1.0, "text": 1.0, "tokens": 1.0}}}
LEFT_OUT = {
    "design": "leave_one_out",
    "factors": {"tokens": {"without": {"distillation.terms.tokens": 0.0}}},
    "controls": {"shuffled": {"teacher.control": "shuffled"}},
}
LR = {"optim.lr": {"loguniform": [1e-4, 1e-3]}}


def _study(**changes: Any) -> tuple[Study, tuple[Cell, ...]]:
    search = {"trials": 4, "batch": 4, "sampler": "random", "space": LR}
    seeds = {"search": [0], "confirm": list(range(1, 9))}
    study = make_study(
        **{"base": TERMS, "arms": LEFT_OUT, "conditions": {}, "search": search, "seeds": seeds, **changes}
    )
    return study, cells(study, TrialConfig, canonical)


def _command(*arguments: str) -> Result:
    return CliRunner().invoke(ablate, ["simulate", "quickstart", "--quiet", *arguments])


def test_a_simulated_study_has_all_its_trials_and_repeats_itself() -> None:
    study, built = _study()
    first = simulate(study, built, SimulatedTrainable(seconds=60.0), slots=2)
    assert first.counts == {"search": 12, "confirm": 24}
    assert first.records.equals(simulate(study, built, SimulatedTrainable(seconds=60.0), slots=2).records)


def test_the_fake_clock_keeps_the_slots_busy_and_pays_no_pause_twice() -> None:
    study, built = _study(
        search={"trials": 8, "batch": 8, "space": LR, "stop": {"halving": {"grace": 1, "reduction": 2}}}
    )
    one = simulate(study, built, SimulatedTrainable(seconds=60.0), slots=1)
    assert one.makespan == pytest.approx(one.device_seconds)
    assert one.utilisation == pytest.approx(1.0)
    assert one.counts["stopped"] == 3 * 6
    two = simulate(study, built, SimulatedTrainable(seconds=60.0), slots=2)
    assert two.makespan < 0.6 * one.makespan
    assert two.records["metrics"].equals(one.records["metrics"])


def test_effects_belong_to_the_arms_that_have_what_is_named() -> None:
    study, built = _study()
    run = SimulatedTrainable(effects=named_effects(study, {"tokens": 0.03, "shuffled": -0.1}))
    assert true_effects(built, run) == pytest.approx({"base": 0.0, "without_tokens": -0.03, "shuffled": -0.1})
    base = SimulatedTrainable(effects=named_effects(study, {"base": 0.02}))
    assert true_effects(built, base) == pytest.approx({"base": 0.0, "without_tokens": -0.02, "shuffled": -0.02})
    with pytest.raises(SimulationError, match="tokens"):
        named_effects(study, {"token": 0.03})


def test_a_known_effect_is_recovered() -> None:
    from orchestrator import composition

    study, built = _study()
    run = SimulatedTrainable(effects=named_effects(study, {"tokens": 0.02}), own_sd=0.005)
    played = list(many(study, built, run, slots=4, count=60, salt="recovered"))
    told, wrong = composition.powers(played, true_effects(built, run))
    by_arm = {row["arm"]: row for row in told}
    # SD of a difference 0.005 sqrt 2, of its mean over 8 seeds 0.0025, plus what search makes of the learning rate
    assert by_arm["without_tokens"]["mean_estimate"] == pytest.approx(-0.02, abs=0.002)
    assert by_arm["without_tokens"]["share"] > 0.95
    assert wrong <= 0.15


def test_without_effects_the_error_rate_is_what_the_study_allows() -> None:
    """Two comparisons by Holm at 0.05: more than 14 wrong studies of 120 have a chance of one in a thousand."""
    from orchestrator import composition

    study, built = _study(search={})
    run = SimulatedTrainable()
    played: list[SimulatedStudy] = list(many(study, built, run, slots=4, count=120, salt="null"))
    _, wrong = composition.powers(played, true_effects(built, run))
    assert wrong * 120 <= 14
    widths = {study.makespan for study in played}
    assert statistics.fmean(widths) == 0.0


def test_the_command_tells_power_errors_and_cost() -> None:
    result = _command("--effect", "clip_td=0.05", "--studies", "4", "--format", "json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert {row["arm"] for row in told["powers"]} == {"naive_distillation", "clip_td", "shuffled_teacher"}
    assert {row["arm"]: row["share"] for row in told["powers"]}["clip_td"] == 1.0
    assert told["cost"]["search"] + told["cost"]["confirm"] == 144
    shown = _command("--effect", "clip_td=0.05", "--studies", "4")
    assert "true effect" in shown.output
    assert "device time" in shown.output


@pytest.mark.parametrize("effect", ["clip_td", "clip_td=much", "clip=0.1"])
def test_an_effect_that_cannot_be_read_is_a_mistake(effect: str) -> None:
    result = _command("--effect", effect, "--studies", "2")
    assert result.exit_code == 2
    assert effect.partition("=")[0] in result.output
