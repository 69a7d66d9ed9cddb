"""Two workers a trial: what is cut goes on, and both end in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.trial import run_trial
from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import smoke
from tests.torch_cpu.training.pair import Scene
from tests.torch_cpu.training.pair import play

pytestmark = pytest.mark.slow

SAMPLED = {
    "terms": {**CLIP_TD["terms"], "crd": 0.8},
    "selection": {"draw": "sampled"},
    "crd": {"negatives": 5},
}
"""CLIP-TD's terms and one that remembers; words and negatives are drawn afresh at every step."""
STEPS, EVALUATIONS = 6, 3
ENDS = {
    "under a floor": ("stopped", "fell_behind"),
    "asked to stop": ("stopped", "cancelled"),
    "paused": ("paused", "none"),
    "paused at once": ("paused", "none"),
    "first worker cannot report": ("failed", "out_of_memory"),
    "first worker cannot save": ("failed", "out_of_memory"),
    "first worker cannot ask": ("failed", "out_of_memory"),
}

MEASURED = smoke(
    distillation={"terms": {"image": 1.0, "text": 3.0}, "weighting": {"unit": "gradient"}},
    student={"dropout": 0.0},
    optim={"min_steps": STEPS, "evaluations": EVALUATIONS},
)
"""Nothing is drawn after the start, so that one worker and two compute the same."""

Outcomes = dict[str, Sequence[TrialOutcome]]


def result(outcome: TrialOutcome) -> tuple[Any, ...]:
    """All that must not depend on when and how often the trial was cut."""
    curve = [(point.step, point.split, point.metric, point.value) for point in outcome.curve]
    return outcome.status, outcome.cause, outcome.metrics, curve, outcome.predictions, outcome.samples_seen


@pytest.fixture(scope="module")
def outcomes(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Outcomes of both workers by scene, all played by the same two processes."""

    def job(**changes: Any) -> TrialJob:
        config = smoke(distillation=SAMPLED, optim={"min_steps": STEPS, "evaluations": EVALUATIONS})
        given: dict[str, Any] = {"evaluate": ("val", "test"), "cache": str(cache), "keep_predictions": True}
        return TrialJob(trial_id="t", config=config, seed=1, **{**given, **changes})

    adapting = smoke(
        distillation={**CLIP_TD, "adaptation": {"of": "student", "share": 0.5}},
        optim={"min_steps": STEPS, "evaluations": EVALUATIONS},
    )
    plain = {"min_steps": STEPS, "evaluations": EVALUATIONS}
    at_once, in_parts = (smoke(optim={**plain, "accumulation": parts}, student={"dropout": 0.0}) for parts in (1, 4))
    gradient = smoke(
        distillation={**SAMPLED, "weighting": {"unit": "gradient"}},
        optim={"min_steps": STEPS, "evaluations": EVALUATIONS},
    )
    scenes = {
        "undisturbed": Scene(job=job()),
        "resumed": Scene(job=job(), resumes="undisturbed"),
        "found by one worker only": Scene(job=job(), resumes="undisturbed", found_by=(0,)),
        "under a floor": Scene(job=job(floors=((2, 1.1),))),
        "asked to stop": Scene(job=job(), stop_after=1),
        "paused": Scene(job=job(pause_after=2)),
        "paused at once": Scene(job=job(pause_after=1), resumes="undisturbed"),
        "first worker cannot report": Scene(job=job(), raises_in="report"),
        "first worker cannot save": Scene(job=job(), raises_in="save"),
        "first worker cannot ask": Scene(job=job(), raises_in="stop_requested"),
        "afterwards": Scene(job=job()),
        "adapting first": Scene(job=replace(job(), config=adapting)),
        "whole batches": Scene(job=replace(job(), config=at_once)),
        "batches in parts": Scene(job=replace(job(), config=in_parts)),
        "in units of the gradient": Scene(job=replace(job(), config=gradient)),
        "in units of the gradient, resumed": Scene(
            job=replace(job(), config=gradient), resumes="in units of the gradient"
        ),
        "measured by two": Scene(job=replace(job(), config=MEASURED)),
    }
    return play(scenes, tmp_path_factory.mktemp("pair"))


def test_a_resumed_trial_of_two_workers_is_bit_equal(outcomes: Outcomes) -> None:
    undisturbed, resumed = outcomes["undisturbed"][0], outcomes["resumed"][0]

    assert undisturbed.status == "completed", undisturbed.error
    assert undisturbed.num_workers == 2
    assert result(resumed) == result(undisturbed)
    assert resumed.curve[0] == undisturbed.curve[0]  # from the checkpoint, its seconds included


def test_two_workers_go_through_the_stage_in_which_a_student_adapts(outcomes: Outcomes) -> None:
    adapted = outcomes["adapting first"][0]

    assert adapted.status == "completed", adapted.error
    assert adapted.num_workers == 2
    assert result(adapted)[3] != result(outcomes["undisturbed"][0])[3]


def test_batches_in_parts_teach_two_workers_what_whole_batches_do(outcomes: Outcomes) -> None:
    whole, parts = (
        {(point.step, point.split, point.metric): point.value for point in outcomes[scene][0].curve}
        for scene in ("whole batches", "batches in parts")
    )
    losses = {at for at in whole if at[2] == "loss"}

    assert outcomes["batches in parts"][0].status == "completed", outcomes["batches in parts"][0].error
    assert len(losses) >= EVALUATIONS
    assert whole.keys() == parts.keys()
    assert {at: parts[at] for at in losses} == pytest.approx({at: whole[at] for at in losses}, rel=1e-4)


def test_two_workers_start_anew_together_where_one_finds_no_checkpoint(outcomes: Outcomes) -> None:
    undisturbed, anew = outcomes["undisturbed"][0], outcomes["found by one worker only"][0]

    assert result(anew) == result(undisturbed)
    assert anew.curve[0].seconds != undisturbed.curve[0].seconds


def test_weights_in_units_of_the_gradient_go_on_bit_for_bit_with_two_workers(outcomes: Outcomes) -> None:
    undisturbed, resumed = (outcomes[f"in units of the gradient{of}"][0] for of in ("", ", resumed"))

    assert undisturbed.status == "completed", undisturbed.error
    assert result(resumed) == result(undisturbed)
    assert result(undisturbed)[3] != result(outcomes["undisturbed"][0])[3]


def test_two_workers_measure_the_gradients_that_one_does(outcomes: Outcomes, cache: Path) -> None:
    job = TrialJob(trial_id="t", config=MEASURED, seed=1, evaluate=("val",), cache=str(cache))
    alone, together = (
        {point.metric: point.value for point in found.curve if (point.split, point.step) == ("train", 0)}
        for found in (run_trial(job, Alone()), outcomes["measured by two"][0])
    )

    assert alone.keys() == {"gradient_ratio", "gradient_cosine"}
    assert together == pytest.approx(alone, rel=1e-3)


@pytest.mark.parametrize("scene", ENDS)
def test_both_workers_end_in_the_same_way(scene: str, outcomes: Outcomes) -> None:
    assert [(found.status, found.cause) for found in outcomes[scene]] == [ENDS[scene], ENDS[scene]]


def test_two_workers_see_the_samples_once_between_them(outcomes: Outcomes) -> None:
    undisturbed = outcomes["undisturbed"][0]

    assert undisturbed.samples_seen == undisturbed.metrics["train/steps"] * 16
    assert undisturbed.device_seconds == 2 * undisturbed.seconds


def test_the_two_workers_are_as_before_after_every_kind_of_end(outcomes: Outcomes) -> None:
    assert result(outcomes["afterwards"][0]) == result(outcomes["undisturbed"][0])
