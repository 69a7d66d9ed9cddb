"""A trial that was cut off, paused or stopped, and the trials after it in the same process."""

from __future__ import annotations

import gc
import os
import threading
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ablative.trainables.boundary import attempt
from ablative.trainables.config import TrialConfig
from ablative.trainables.job import Alone
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.trial import run_trial
from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import DIVERGING
from tests.torch_cpu.training.conftest import smoke

pytestmark = pytest.mark.slow

EVALUATIONS = 3
SAMPLED = {**CLIP_TD, "selection": {"draw": "sampled"}}
"""All terms, and words that are drawn afresh at every step."""
DISTILLED = {"distillation": SAMPLED, "optim": {"min_steps": 6, "evaluations": EVALUATIONS, "bucketing": 4}}


class PowerCut(Exception):
    """The process is gone."""


@dataclass(slots=True)
class CutAfter(Alone):
    """A link whose process ends while the checkpoint after the given evaluation is in place."""

    evaluation: int = 1

    def save(self, content: bytes) -> None:
        Alone.save(self, content)
        if len(self.points) == self.evaluation:
            raise PowerCut


@dataclass(slots=True)
class StopAfter(Alone):
    """A link that asks for the end after the given evaluation."""

    evaluation: int = 1

    def stop_requested(self) -> bool:
        return len(self.points) >= self.evaluation


@dataclass(slots=True)
class TakenAway(Alone):
    """A link whose machine is about to be taken away at the given look, counted from 1."""

    look: int = 1
    looks: int = 0

    def leaving(self) -> bool:
        self.looks += 1
        return self.looks == self.look


def job(cache: Path, config: TrialConfig | None = None, **changes: Any) -> TrialJob:
    return TrialJob(
        trial_id="t",
        config=config or smoke(**DISTILLED),
        seed=1,
        evaluate=("val", "test"),
        cache=str(cache),
        keep_predictions=True,
        **changes,
    )


def told(outcome: TrialOutcome) -> tuple[Any, ...]:
    """All that must be the same, whatever happened on the way."""
    curve = [(point.step, point.split, point.metric, point.value) for point in outcome.curve]
    return outcome.status, outcome.cause, outcome.metrics, curve, outcome.predictions, outcome.samples_seen


@pytest.fixture(scope="module")
def undisturbed(cache: Path) -> TrialOutcome:
    outcome = run_trial(job(cache), Alone())
    assert outcome.status == "completed", outcome.error
    return outcome


@pytest.mark.parametrize("evaluation", range(1, EVALUATIONS))
def test_a_trial_cut_off_after_an_evaluation_goes_on_bit_for_bit(
    evaluation: int, cache: Path, undisturbed: TrialOutcome
) -> None:
    cut = CutAfter(evaluation=evaluation)
    lost = run_trial(job(cache), cut)
    assert "PowerCut" in lost.error

    resumed = Alone(checkpoint=cut.checkpoint)
    outcome = run_trial(job(cache), resumed)
    assert told(outcome) == told(undisturbed)
    assert len(resumed.points) == EVALUATIONS - evaluation
    assert outcome.seconds > 0


@pytest.mark.parametrize("look", [1, 2])
def test_a_trial_whose_machine_is_taken_away_saves_between_evaluations_and_goes_on_bit_for_bit(
    look: int, cache: Path
) -> None:
    given = job(
        cache, smoke(distillation=SAMPLED, optim={"min_steps": 24, "evaluations": 1, "bucketing": 4, "ema": 0.9})
    )
    whole, link = run_trial(given, Alone()), TakenAway(look=look)
    assert whole.status == "completed", whole.error

    taken = attempt(run_trial, given, link)
    assert (taken.status, taken.cause, taken.error) == ("failed", "preempted", f"saved at step {8 * look}")
    assert (taken.seconds, taken.device_seconds, link.points) == (0.0, 0.0, [])
    assert told(run_trial(given, Alone(checkpoint=link.checkpoint))) == told(whole)


def test_pausing_at_every_evaluation_changes_nothing(cache: Path, undisturbed: TrialOutcome) -> None:
    link = Alone()
    for evaluation in range(1, EVALUATIONS):
        paused = run_trial(job(cache, pause_after=evaluation), link)
        assert paused.status == "paused", paused.error
        assert [p.value for p in paused.curve] == [p.value for p in undisturbed.curve][: len(paused.curve)]
        again = run_trial(job(cache, pause_after=evaluation), link)
        assert told(again) == told(paused)
        assert len(link.points) == evaluation
    assert told(run_trial(job(cache), link)) == told(undisturbed)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None], ids=["empty", "other", "cut"])
def test_a_checkpoint_that_cannot_be_read_is_as_good_as_none(
    content: bytes | None, cache: Path, undisturbed: TrialOutcome
) -> None:
    if content is None:
        whole = CutAfter(evaluation=1)
        run_trial(job(cache), whole)
        assert whole.checkpoint is not None
        content = whole.checkpoint[:-1000]
    assert told(run_trial(job(cache), Alone(checkpoint=content))) == told(undisturbed)


def test_the_checkpoint_of_another_trial_is_left_alone(cache: Path, undisturbed: TrialOutcome) -> None:
    cut = CutAfter(evaluation=1)
    run_trial(replace(job(cache), trial_id="other", seed=9), cut)
    assert told(run_trial(job(cache), Alone(checkpoint=cut.checkpoint))) == told(undisturbed)


def test_a_trial_below_the_floor_is_stopped_with_its_best_so_far(cache: Path) -> None:
    outcome = run_trial(job(cache, floors=((1, 1.1),)), Alone())
    first = next(point for point in outcome.curve if point.split == "val")
    assert (outcome.status, outcome.cause) == ("stopped", "fell_behind")
    assert outcome.metrics["val/accuracy"] == first.value
    assert outcome.metrics["train/steps"] == first.step
    assert run_trial(job(cache, floors=((1, 0.0),)), Alone()).status == "completed"


def test_a_trial_that_is_asked_to_stop_does(cache: Path) -> None:
    link = StopAfter(evaluation=2)
    outcome = run_trial(job(cache), link)
    assert (outcome.status, outcome.cause, len(link.points)) == ("stopped", "cancelled", 2)


def test_a_trial_beyond_its_time_is_ended(cache: Path) -> None:
    long = smoke(optim={"min_steps": 40, "evaluations": 1})
    outcome = run_trial(job(cache, long, time_limit_s=1e-6), Alone())
    assert (outcome.status, outcome.cause) == ("failed", "time_limit")
    assert "the limit is 1e-06 s" in outcome.error


def test_the_curve_has_the_target_and_the_best_weights_are_its(cache: Path) -> None:
    vcr = smoke("vcr", optim={"evaluations": 3, "min_steps": 6})
    outcome = run_trial(job(cache, vcr, target=("accuracy_q_a", "max")), Alone())
    assert outcome.status == "completed", outcome.error
    values = [p.value for p in outcome.curve if p.metric == "accuracy_q_a"]
    assert len(values) == 3
    assert outcome.metrics["val/accuracy_q_a"] == max(values)


def test_costs_are_measured(undisturbed: TrialOutcome) -> None:
    steps = undisturbed.metrics["train/steps"]
    assert undisturbed.samples_seen == steps * 16
    assert undisturbed.peak_memory_mb > 100
    assert undisturbed.device_seconds == undisturbed.seconds > 0


def test_nothing_of_a_trial_reaches_the_next_first_tenth_or_after_a_failure(
    cache: Path, undisturbed: TrialOutcome
) -> None:
    run_trial(job(cache), Alone())  # what is loaded once stays
    gc.collect()
    before = _left_behind()
    for number in range(10):
        if number == 4:
            assert run_trial(job(cache, smoke(optim=DIVERGING)), Alone()).status == "failed"
        if number == 7:
            assert run_trial(job(cache, pause_after=1), Alone()).status == "paused"
            assert run_trial(job(cache), StopAfter(evaluation=1)).status == "stopped"
        assert told(run_trial(job(cache), Alone())) == told(undisturbed)
    gc.collect()
    assert _left_behind() == before


def _left_behind() -> dict[str, int]:
    return {
        "open files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "torch threads": torch.get_num_threads(),
        "trained parameters": sum(issubclass(type(found), torch.nn.Parameter) for found in gc.get_objects()),
        "modules": sum(issubclass(type(found), torch.nn.Module) for found in gc.get_objects()),
    }


def test_points_of_the_curve_are_reported_as_they_come(cache: Path) -> None:
    link = Alone()
    outcome = run_trial(job(cache), link)
    assert link.points == [point for point in outcome.curve if point.split == "val"]
    assert all(isinstance(point, CurvePoint) for point in link.points)
