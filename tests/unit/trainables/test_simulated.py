from __future__ import annotations

import math
import pickle
import statistics
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import pytest

from ablative.trainables.config import TrialConfig
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.simulated import Effect
from ablative.trainables.simulated import Level
from ablative.trainables.simulated import Optimum
from ablative.trainables.simulated import SimulatedTrainable

CONFIG = TrialConfig()
RUN = SimulatedTrainable(seconds=8.0, effects=(Effect(where=(("teacher.control", "shuffled"),), size=-0.1),))


@dataclass(slots=True)
class Stops(Alone):
    """A link that asks for the end after the second evaluation."""

    def stop_requested(self) -> bool:
        return len(self.points) == 2


def _job(config: TrialConfig = CONFIG, seed: int = 1, **changes: Any) -> TrialJob:
    return TrialJob(trial_id="t", config=config, seed=seed, evaluate=("val", "test"), cache="", **changes)


def _with(path: str, value: Any) -> TrialConfig:
    group, name = path.split(".")
    section = getattr(CONFIG, group).model_copy(update={name: value})
    return CONFIG.model_copy(update={group: section})


def test_a_trial_repeats_itself_and_another_salt_does_not() -> None:
    first = RUN(_job(), Alone())
    assert first.status == "completed"
    assert first == RUN(_job(), Alone())
    assert first.metrics != replace(RUN, salt="b")(_job(), Alone()).metrics


def test_effects_are_exact_between_the_means() -> None:
    assert RUN.mean(_with("teacher.control", "shuffled")) - RUN.mean(CONFIG) == pytest.approx(-0.1)
    assert RUN.mean(_with("optim.lr", 5e-3)) - RUN.mean(CONFIG) == pytest.approx(-0.05)
    assert RUN.mean(_with("task.data_fraction", 0.1)) - RUN.mean(CONFIG) == pytest.approx(-0.05)


def test_paired_differences_have_the_stated_noise() -> None:
    other = _with("teacher.control", "shuffled")
    seeds = range(400)
    levels = [RUN.target(CONFIG, seed, "test") for seed in seeds]
    differences = [RUN.target(other, seed, "test") - level for seed, level in zip(seeds, levels, strict=True)]
    assert statistics.stdev(differences) == pytest.approx(RUN.own_sd * 2**0.5, rel=0.15)
    assert statistics.stdev(levels) == pytest.approx((RUN.own_sd**2 + RUN.shared_sd**2) ** 0.5, rel=0.15)
    assert statistics.fmean(differences) == pytest.approx(-0.1, abs=0.002)


def test_pausing_at_every_evaluation_changes_nothing() -> None:
    link = Alone()
    for evaluation in (1, 2, 3):
        paused = RUN(_job(pause_after=evaluation), link)
        assert (paused.status, len(paused.curve), len(link.points)) == ("paused", evaluation, evaluation)
        assert RUN(_job(pause_after=evaluation), link) == paused
    assert RUN(_job(), link) == RUN(_job(), Alone())
    assert len(link.points) == 4


def test_it_stops_below_a_floor_when_asked_and_at_its_limit() -> None:
    assert RUN(_job(floors=((2, 0.9),)), Alone()).cause == "fell_behind"
    assert RUN(_job(floors=((2, 0.1),)), Alone()).status == "completed"
    asked = RUN(_job(), Stops())
    assert (asked.status, asked.cause, len(asked.curve)) == ("stopped", "cancelled", 2)
    late = RUN(_job(time_limit_s=5.0), Alone())
    assert (late.status, late.cause) == ("failed", "time_limit")


@pytest.mark.parametrize("content", [b"", b"nothing", b'["other", 2]', b"3"])
def test_a_checkpoint_of_something_else_is_as_good_as_none(content: bytes) -> None:
    assert RUN(_job(), Alone(checkpoint=content)) == RUN(_job(), Alone())


def test_lengths_follow_the_data() -> None:
    assert RUN(_job(), Alone()).seconds == 8.0
    assert RUN(_job(_with("task.data_fraction", 0.2)), Alone()).seconds == pytest.approx(8.0 * 0.4)
    assert RUN(_job(_with("task.name", "vcr")), Alone()).seconds == 4 * 8.0
    uneven = replace(RUN, uneven=0.3)
    logs = [math.log(uneven.length(CONFIG, seed) / 8.0) for seed in range(400)]
    assert statistics.stdev(logs) == pytest.approx(0.3, rel=0.15)


def test_of_the_levels_only_the_first_that_fits_counts_and_brings_its_optima() -> None:
    shuffled = _with("teacher.control", "shuffled")
    optimum = Optimum(path="optim.weight_decay", best=0.02, loss=0.04, width=0.02, scale="linear")
    levels = (Level(where=(("teacher.control", "shuffled"),), size=0.3), Level(where=(), size=0.1, optima=(optimum,)))
    run = SimulatedTrainable(levels=levels)

    assert run.mean(shuffled) == pytest.approx(run.base + 0.3)
    assert run.mean(CONFIG) == pytest.approx(run.base + 0.1 - 0.04 * 0.5**2)


def test_arms_share_noise_within_a_seed_and_a_data_fraction_only() -> None:
    run = SimulatedTrainable(own_sd=0.0)
    parts = {seed: run.target(CONFIG, seed, "val") - run.mean(CONFIG) for seed in (1, 2)}
    other, less = _with("teacher.control", "shuffled"), _with("task.data_fraction", 0.1)

    assert run.target(other, 1, "val") - run.mean(other) == pytest.approx(parts[1])
    assert run.target(less, 1, "val") - run.mean(less) != pytest.approx(parts[1])
    assert parts[1] != pytest.approx(parts[2])


def test_noise_of_the_curve_is_gone_at_its_end() -> None:
    smooth, rough = (replace(RUN, curve_sd=sd)(_job(), Alone()) for sd in (0.0, 0.05))

    assert rough.metrics == smooth.metrics
    assert rough.curve[0] != smooth.curve[0]
    assert rough.curve[-1] == smooth.curve[-1]


def test_seeds_that_are_to_fail_fail() -> None:
    run = replace(RUN, raises_for=(3,), non_finite_for=(4,))

    assert run(_job(seed=1), Alone()).status == "completed"
    with pytest.raises(RuntimeError, match="seed 3"):
        run(_job(seed=3), Alone())
    failed = run(_job(seed=4), Alone())
    assert (failed.status, failed.cause, len(failed.curve), failed.metrics) == ("failed", "non_finite", 1, {})


def test_it_can_be_sent_to_a_worker() -> None:
    run = replace(RUN, levels=(Level(where=(("teacher.control", "none"),), size=0.1),))

    assert pickle.loads(pickle.dumps(run))(_job(), Alone()) == run(_job(), Alone())
