from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import pytest
from scipy.stats import nct
from scipy.stats import t

from ablative.analysis.numbers.statistics import binomial_interval
from ablative.analysis.views.power import ArmPower
from ablative.analysis.views.power import Tally
from ablative.analysis.views.sequential import clear_arms
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.simulating.assumptions import Assumptions
from ablative.orchestrator.simulating.assumptions import arm_sizes
from ablative.orchestrator.simulating.assumptions import trainable_for
from ablative.orchestrator.simulating.simulation import mean_cost
from ablative.orchestrator.simulating.simulation import simulate
from ablative.orchestrator.simulating.simulation import simulated_experiment
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.design import cells
from ablative.search_spaces.study import Study
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.simulated import SimulatedTrainable
from tests.helpers.simulated import make_inputs
from tests.helpers.simulated import make_study

pytestmark = pytest.mark.slow

NOISE = 0.01
SURE = 1 - 1e-4
"""Of the bands that shares must lie in: seeds are fixed, so that a test that passes keeps passing."""


def _study(num_seeds: int, *, arms: int = 2, **changes: Any) -> Study:
    """Return a study of arms without search: what differs between them are effects and noise alone."""
    listed = {"plain": {}} | {f"arm{n}": {"distillation.terms.image": float(n)} for n in range(1, arms)}
    plain: dict[str, Any] = {
        "arms": {"listed": listed},
        "conditions": {},
        "search": {},
        "seeds": {"search": [0], "confirm": list(range(1, num_seeds + 1))},
        "evaluate": ["val", "test"],
    }
    return make_study(**{**plain, **changes})


def _judged(study: Study, effects: dict[str, float], studies: int) -> Tally:
    built = cells(study, TrialConfig, canonical)
    trainable = trainable_for(study, built, make_inputs(), Assumptions(effects=effects, noise=NOISE))
    tally = Tally(arm_sizes(study, make_inputs(), effects))
    for run in simulate(study, built, make_inputs(), trainable, studies=studies, seed=1, slots=2, judge=clear_arms):
        tally.add(run.planned, run.confirmed)
    return tally


def _only(tally: Tally) -> ArmPower:
    (arm,) = tally.arms()
    return arm


@pytest.mark.parametrize("size", [0.012, -0.02])
def test_power_of_six_pairs_is_the_chance_that_all_have_the_right_sign(size: float) -> None:
    # The exact sign-flip test of six pairs falls to 2/64 only where all differences have one sign.
    expected = NormalDist().cdf(abs(size) / (NOISE * math.sqrt(2))) ** 6

    found = _only(_judged(_study(6), {"arm1": size}, 300))

    low, high = binomial_interval(found.found.count, 300, SURE)
    assert low < expected < high
    assert found.mean_estimate == pytest.approx(size, abs=4 * NOISE * math.sqrt(2 / 6 / 300))
    assert found.wrong_sign.count == found.not_enough.count == 0


def test_power_of_twelve_pairs_is_close_to_that_of_the_paired_t_test() -> None:
    size, n = 0.012, 12
    shift, limit = size / (NOISE * math.sqrt(2)) * math.sqrt(n), t.ppf(0.975, n - 1)
    expected = nct.sf(limit, n - 1, shift) + nct.cdf(-limit, n - 1, shift)

    found = _only(_judged(_study(n), {"arm1": size}, 200))

    low, high = binomial_interval(found.found.count, 200, SURE)
    assert low < expected < high
    low, high = binomial_interval(found.covered.count, 200, SURE)
    assert low < 0.95 < high


def test_without_effects_a_single_comparison_errs_as_often_as_its_test_can() -> None:
    tally = _judged(_study(10), {}, 300)

    low, high = binomial_interval(tally.any_false.count, 300, SURE)
    assert low < 25 / 512 < high  # the largest attainable level of ten pairs below 0.05
    assert tally.any_false.count == _only(tally).found.count


@pytest.mark.slow
def test_without_effects_the_family_errs_no_more_often_than_the_study_allows() -> None:
    tally = _judged(_study(9, arms=4), {}, 150)

    assert len(tally.arms()) == 3
    assert binomial_interval(tally.any_false.count, 150, SURE)[0] <= tally.alpha


def test_too_few_seeds_find_nothing_and_say_so() -> None:
    found = _only(_judged(_study(4), {"arm1": 1.0}, 5))

    assert (found.found.count, found.not_enough.count) == (0, 5)


def test_the_same_seed_gives_the_same_studies_and_another_gives_others() -> None:
    study = make_study()
    built = cells(study, TrialConfig, canonical)
    trainable = trainable_for(study, built, make_inputs(), Assumptions(effects={"naive": 0.05}))

    first, again, other = (
        list(simulate(study, built, make_inputs(), trainable, studies=2, seed=s, slots=3)) for s in (7, 7, 8)
    )

    assert first == again
    assert first[0].confirmed != first[1].confirmed
    assert first[0].confirmed != other[0].confirmed


def test_a_study_costs_what_its_trials_cost() -> None:
    study = make_study()
    built = cells(study, TrialConfig, canonical)
    trainable = trainable_for(study, built, make_inputs(), Assumptions(effects={}, seconds=100.0, uneven=0.0))

    cost = mean_cost(list(simulate(study, built, make_inputs(), trainable, studies=2, seed=0, slots=2)))

    assert (cost.search, cost.confirm, cost.failed, cost.stopped) == (24, 18, 0, 0)
    short, long = 100 * (0.25 + 0.75 * 0.05), 100.0
    assert cost.device_hours == pytest.approx((12 + 9) * (short + long) / 3600)
    assert cost.makespan_s * 2 * cost.utilisation == pytest.approx(3600 * cost.device_hours)


@pytest.mark.parametrize(
    "stop",
    [
        None,
        {"halving": {"grace": 1, "reduction": 2}},
        {"median": {"grace": 1, "least": 2}},
        {"asynchronous_halving": {"grace": 1, "reduction": 2}},
    ],
)
def test_a_stopping_rule_saves_what_its_trials_did_not_run(stop: dict[str, Any] | None) -> None:
    space = {"optim.lr": {"loguniform": [1e-5, 1e-2]}}
    search = {"trials": 12, "batch": 4, "sampler": "random", "space": space}
    study = _study(6, search=search if stop is None else {**search, "stop": stop})
    built = cells(study, TrialConfig, canonical)
    trainable = trainable_for(study, built, make_inputs(), Assumptions(effects={}, seconds=60.0, uneven=0.0))

    (run,) = simulate(study, built, make_inputs(), trainable, studies=1, seed=0, slots=3)

    assert (run.search, run.confirm, run.failed) == (24, 12, 0)
    assert run.utilisation * run.makespan_s * 3 == pytest.approx(run.device_seconds)
    if stop is None:
        assert (run.stopped, run.device_seconds) == (0, pytest.approx(36 * 60.0))
    elif "halving" in stop:  # of each batch of four, two go on at a quarter of their length and one at a half
        assert run.stopped == 6 * 3
        assert run.device_seconds == pytest.approx(6 * (15 + 15 + 30 + 60) + 12 * 60)
    else:
        assert run.stopped > 0
        assert (36 - run.stopped) * 60.0 < run.device_seconds < 36 * 60.0


@pytest.mark.parametrize("spending", ["pocock", "obrien_fleming"])
def test_looking_on_the_way_keeps_the_error_of_the_whole_family(spending: str) -> None:
    sequential = {"looks": [10, 13], "spending": spending}
    study = _study(16, arms=3, seeds={"search": [0], "confirm": list(range(1, 17)), "sequential": sequential})
    low, _ = binomial_interval(_judged(study, {}, 200).any_false.count, 200, SURE)
    assert low <= 0.05


def test_looking_on_the_way_finds_a_large_effect_with_fewer_trials_and_the_right_sign() -> None:
    seeds = {"search": [0], "confirm": list(range(1, 25)), "sequential": {"looks": [10, 16]}}
    study = _study(24, seeds=seeds)
    built = cells(study, TrialConfig, canonical)
    trainable = trainable_for(study, built, make_inputs(), Assumptions(effects={"arm1": 0.03}, noise=NOISE))
    tally = Tally(arm_sizes(study, make_inputs(), {"arm1": 0.03}))
    trials = []
    for run in simulate(study, built, make_inputs(), trainable, studies=40, seed=3, slots=2, judge=clear_arms):
        tally.add(run.planned, run.confirmed)
        trials.append(run.confirm)
    assert _only(tally).found.count == 40
    assert sum(trials) / 40 < 0.6 * 48


def test_failing_seeds_are_counted_and_leave_the_rest_alone() -> None:
    study = _study(8)
    built = cells(study, TrialConfig, canonical)
    trainable = SimulatedTrainable(non_finite_for=(3,))

    (run,) = simulate(study, built, make_inputs(), trainable, studies=1, seed=0, slots=2)

    assert (run.failed, run.confirm) == (2, 16)
    tally = Tally(arm_sizes(study, make_inputs(), {}))
    tally.add(run.planned, run.confirmed)
    assert _only(tally).not_enough.count == 0


def test_a_recorded_simulation_cannot_be_taken_for_the_real_study(tmp_path: Any) -> None:
    study = make_study()
    experiment = simulated_experiment(study, cells(study, TrialConfig, canonical), make_inputs(), SimulatedTrainable())
    store = Store.open(str(tmp_path))
    executor = InlineExecutor(run_trial=SimulatedTrainable(), resources=study.resources, cache=tmp_path)

    summary = run_study(experiment, store, executor, QuietDisplay())

    assert (summary.ran, summary.num_failed) == (42, 0)
    assert store.studies() == ["simulated-simulated"]
    records = store.records(summary.study)
    assert {record.device for record in records} == {"simulated"}
    assert all(record.data_digest.startswith("simulated-") for record in records)


def test_other_assumptions_are_other_trials() -> None:
    study = make_study()
    built = cells(study, TrialConfig, canonical)

    digests = {
        simulated_experiment(study, built, make_inputs(), run).inputs.digests(TrialConfig())
        for run in (SimulatedTrainable(), SimulatedTrainable(own_sd=0.5), SimulatedTrainable(salt="other"))
    }

    assert len(digests) == 3


def test_a_path_is_simulated_arm_by_arm_as_it_finds_them() -> None:
    factors = {name: {"with": {f"distillation.terms.{name}": 1.0}} for name in ("image", "text", "tokens")}
    study = Study.model_validate(
        {
            "study": "pathy",
            "question": "Which change carries the gain?",
            "base": {},
            "arms": {"design": "path", "factors": factors},
            "conditions": {"task.name": ["snli_ve", "vqa"]},
            "seeds": {"search": [0, 7], "confirm": [1, 2, 3, 4, 5, 6]},
        }
    )
    built = cells(study, TrialConfig, canonical)
    effects = {"tokens": 0.04, "image": 0.015}
    trainable = trainable_for(study, built, make_inputs(), Assumptions(effects=effects, noise=NOISE))
    tally = Tally(arm_sizes(study, make_inputs(), effects))
    for run in simulate(study, built, make_inputs(), trainable, studies=10, seed=3, slots=4):
        tally.add(run.planned, run.confirmed)
    found = {arm.arm: arm for arm in tally.arms()}

    assert found["with_tokens"].found.value == 1  # the greatest part is always taken first
    assert found["with_image+with_tokens"].true_effect == pytest.approx(0.055)
    assert found["with_image+with_tokens"].found.count >= 8
    assert found["with_image+with_text+with_tokens"].found.value == 1
    assert all(0 <= arm.covered.count <= arm.covered.studies <= 10 for arm in found.values())
