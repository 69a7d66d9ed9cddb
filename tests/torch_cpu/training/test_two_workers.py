"""Two workers a trial: what is cut goes on, and both end in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

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

ELASTIC = smoke(
    distillation=CLIP_TD,
    student={"dropout": 0.0},
    optim={"optimizer": "sgd", "lr": 0.01, "min_steps": STEPS, "evaluations": EVALUATIONS},
)

Outcomes = dict[str, Sequence[TrialOutcome]]


def result(outcome: TrialOutcome) -> tuple[Any, ...]:
    """All that must not depend on when and how often the trial was cut."""
    curve = [(point.step, point.split, point.metric, point.value) for point in outcome.curve]
    return outcome.status, outcome.cause, outcome.metrics, curve, outcome.predictions, outcome.samples_seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scenes leave their checkpoints and students."""
    return tmp_path_factory.mktemp("pair")


@pytest.fixture(scope="module")
def outcomes(cache: Path, folder: Path) -> Outcomes:
    """Outcomes of both workers by scene, all played by the same two processes."""

    def job(**changes: Any) -> TrialJob:
        config = smoke(distillation=SAMPLED, optim={"min_steps": STEPS, "evaluations": EVALUATIONS})
        given: dict[str, Any] = {"evaluate": ("val",), "cache": str(cache), "keep_predictions": True}
        return TrialJob(trial_id="t", config=config, seed=1, **{**given, **changes})

    adapting = smoke(
        distillation={**CLIP_TD, "adaptation": {"of": "student", "share": 0.5}},
        optim={"min_steps": STEPS, "evaluations": EVALUATIONS},
    )
    plain = {"min_steps": STEPS, "evaluations": EVALUATIONS}
    momentum = {**plain, "optimizer": "sgd", "lr": 0.01}
    steady = {"dropout": 0.0}
    at_once, in_parts = (smoke(optim={**momentum, "accumulation": parts}, student=steady) for parts in (1, 4))
    gradient = smoke(
        distillation={**SAMPLED, "weighting": {"unit": "gradient"}},
        optim={"min_steps": STEPS, "evaluations": EVALUATIONS},
    )
    sharded, averaged = (
        smoke(distillation=SAMPLED, optim={**plain, "sharding": sharding, "ema": 0.9, "gradient_checkpointing": True})
        for sharding in ("full", "none")
    )
    parted = smoke(optim={**momentum, "accumulation": 4, "sharding": "full"}, student=steady)
    by_tokens = smoke(optim={**momentum, "batch_tokens": 1500, "accumulation": 2}, student=steady)
    sharded_gradient = gradient.changed(optim=gradient.optim.changed(sharding="full"))
    tested = job(evaluate=("val", "test"))
    scenes = {
        "undisturbed": Scene(job=tested),
        "resumed": Scene(job=tested, resumes="undisturbed"),
        "found by one worker only": Scene(job=tested, resumes="undisturbed", found_by=(0,)),
        "under a floor": Scene(job=job(floors=((2, 1.1),))),
        "asked to stop": Scene(job=job(), stop_after=1),
        "paused": Scene(job=job(pause_after=2)),
        "paused at once": Scene(job=job(pause_after=1), resumes="undisturbed"),
        "first worker cannot report": Scene(job=job(), raises_in="report"),
        "first worker cannot save": Scene(job=job(), raises_in="save"),
        "first worker cannot ask": Scene(job=job(), raises_in="stop_requested"),
        "afterwards": Scene(job=tested),
        "adapting first": Scene(job=replace(job(), config=adapting)),
        "whole batches": Scene(job=replace(job(), config=at_once)),
        "batches in parts": Scene(job=replace(job(), config=in_parts)),
        "in units of the gradient": Scene(job=replace(job(), config=gradient)),
        "in units of the gradient, resumed": Scene(
            job=replace(job(), config=gradient), resumes="in units of the gradient"
        ),
        "measured by two": Scene(job=replace(job(), config=MEASURED)),
        "elastic": Scene(job=replace(job(), config=ELASTIC, elastic=True, keep_student=True)),
        "averaged": Scene(job=replace(job(), config=averaged, keep_student=True)),
        "sharded": Scene(job=replace(job(), config=sharded, keep_student=True)),
        "sharded, resumed": Scene(job=replace(job(), config=sharded, keep_student=True), resumes="sharded"),
        "sharded batches in parts": Scene(job=replace(job(), config=parted)),
        "sharded, in units of the gradient": Scene(job=replace(job(), config=sharded_gradient)),
        "by tokens": Scene(job=replace(job(), config=by_tokens, keep_student=True)),
        "afterwards, again": Scene(job=tested),
    }
    return play(scenes, folder)


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


def test_an_elastic_trial_of_two_workers_goes_on_with_one_to_the_same_student(
    outcomes: Outcomes, cache: Path, folder: Path
) -> None:
    given = {"evaluate": ("val",), "cache": str(cache), "keep_student": True, "elastic": True}
    link = Alone(checkpoint=(folder / "elastic").read_bytes())
    alone = run_trial(TrialJob(trial_id="t", config=ELASTIC, seed=1, **given), link)
    together = outcomes["elastic"][0]

    workers = [(point.step, point.value) for point in alone.curve if point.metric == "workers"]
    assert (together.status, alone.status, alone.num_workers) == ("completed", "completed", 1), alone.error
    assert workers[0] == (0, 2.0) and workers[1][1] == 1.0 and workers[1][0] > 0
    assert alone.samples_seen == together.samples_seen
    assert link.student is not None
    first, second = load((folder / "elastic.student").read_bytes()), load(link.student)
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-4, atol=1e-5, msg=name)


def close(found: TrialOutcome, expected: TrialOutcome) -> None:
    """Assert that two trials told the same, up to the rounding of sums."""
    assert found.status == "completed", found.error
    assert found.metrics == expected.metrics
    first, second = (
        {(point.step, point.split, point.metric): point.value for point in outcome.curve}
        for outcome in (found, expected)
    )
    assert first == pytest.approx(second, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("sharded", "whole"),
    [
        ("sharded", "averaged"),
        ("sharded batches in parts", "batches in parts"),
        ("sharded, in units of the gradient", "in units of the gradient"),
    ],
)
def test_a_sharded_student_learns_what_a_whole_one_does(sharded: str, whole: str, outcomes: Outcomes) -> None:
    close(outcomes[sharded][0], outcomes[whole][0])


def test_two_workers_share_the_batches_by_tokens_that_one_has(outcomes: Outcomes, cache: Path, folder: Path) -> None:
    momentum = {"optimizer": "sgd", "lr": 0.01, "min_steps": STEPS, "evaluations": EVALUATIONS}
    config = smoke(optim={**momentum, "batch_tokens": 1500}, student={"dropout": 0.0})
    link = Alone()
    alone = run_trial(
        TrialJob(trial_id="t", config=config, seed=1, evaluate=("val",), cache=str(cache), keep_student=True), link
    )
    together = outcomes["by tokens"][0]

    assert together.status == "completed", together.error
    assert together.samples_seen == alone.samples_seen
    assert link.student is not None
    first, second = load((folder / "by tokens.student").read_bytes()), load(link.student)
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-4, atol=1e-5, msg=name)


def test_a_sharded_student_is_kept_whole(outcomes: Outcomes, folder: Path) -> None:
    sharded, whole = (load((folder / f"{scene}.student").read_bytes()) for scene in ("sharded", "averaged"))

    assert sharded.keys() == whole.keys()
    for name, value in sharded.items():
        # The bias of keys has no gradient but rounding, of which AdamW makes steps of the full rate.
        torch.testing.assert_close(value, whole[name], rtol=1e-4, atol=1e-3 if "qkv.bias" in name else 1e-5, msg=name)


def test_a_sharded_trial_goes_on_bit_for_bit(outcomes: Outcomes, folder: Path) -> None:
    undisturbed, resumed = outcomes["sharded"][0], outcomes["sharded, resumed"][0]

    assert result(resumed) == result(undisturbed)
    assert resumed.curve[0] == undisturbed.curve[0]  # from the checkpoint, its seconds included
    assert (folder / "sharded, resumed.student").read_bytes() == (folder / "sharded.student").read_bytes()


@pytest.mark.parametrize("scene", ENDS)
def test_both_workers_end_in_the_same_way(scene: str, outcomes: Outcomes) -> None:
    assert [(found.status, found.cause) for found in outcomes[scene]] == [ENDS[scene], ENDS[scene]]


def test_two_workers_see_the_samples_once_between_them(outcomes: Outcomes) -> None:
    undisturbed = outcomes["undisturbed"][0]

    assert undisturbed.samples_seen == undisturbed.metrics["train/steps"] * 16
    assert undisturbed.device_seconds == 2 * undisturbed.seconds


def test_the_two_workers_are_as_before_after_every_kind_of_end(outcomes: Outcomes) -> None:
    assert result(outcomes["afterwards"][0]) == result(outcomes["undisturbed"][0])
    assert result(outcomes["afterwards, again"][0]) == result(outcomes["undisturbed"][0])
