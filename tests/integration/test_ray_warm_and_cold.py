"""What a trial gives does not depend on what its process did before; real trials on real Ray."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ablative.orchestrator.storing.records import Record
from ablative.search_spaces.study import Resources
from ablative.trainables.cache import cache_folder
from ablative.trainables.config import TrialConfig
from ablative.trainables.prepare import prepare
from tests.contract.executor_contract import Ledger
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.integration.located import Located

pytestmark = [pytest.mark.ray, pytest.mark.slow]

BASE = {
    "task": {"name": "snli_ve", "data": "mini_smoke"},
    "optim": {"batch_size": 16, "min_steps": 6, "epochs": 1, "evaluations": 2},
    "student": {"dropout": 0.2},
}
DISTILLED = {f"distillation.terms.{term}": 1.0 for term in ("image", "text", "tokens")}
BEFORE: dict[str, Any] = {"plain": {}, "diverging": {"optim.lr": 100.0, "optim.weight_decay": 10.0}}


@pytest.fixture(scope="module")
def cache() -> Path:
    """The cache folder, with all that these trials read."""
    terms = {"image": 1.0, "text": 1.0, "tokens": 1.0}
    prepare([TrialConfig.model_validate({**BASE, "distillation": {"terms": terms}})], cache_folder(), _unseen)
    return cache_folder()


def _unseen(stage: str, done: int, total: int) -> None:
    """Nobody looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The records of one run after another, in the order in which their trials started, and all outcomes."""

    warm: list[Record]
    """One process: the distilled trial is its third one, after one that diverged."""
    cold: list[Record]
    """The same three with a new group for every trial, as by `--cold`: each is the first one of its process."""
    told: dict[str, tuple[Any, ...]]
    """Process and trial id -> all that the trial gave, to the last bit."""

    def gave(self, record: Record) -> tuple[Any, ...]:
        """Return what came of a trial."""
        return self.told[record.device + record.trial_id]


@pytest.fixture(scope="module")
def runs(ray_cluster: None, cache: Path) -> Runs:
    """One trial of each arm, one after another."""
    told: dict[str, tuple[Any, ...]] = {}
    three = {**BEFORE, "distilled": DISTILLED}
    return Runs(
        warm=run(cache, three, told),
        cold=run(cache, three, told, trials_per_group=1),
        told=told,
    )


def run(cache: Path, arms: dict[str, Any], told: dict[str, tuple[Any, ...]], **resources: Any) -> list[Record]:
    from ablative.cluster.executor import RayExecutor

    study = make_study(
        base=BASE,
        arms={"listed": arms},
        conditions={},
        search={},
        seeds={"search": [0], "confirm": [1]},
        evaluate=["val", "test"],
    )
    ledger = Ledger(queue=make_queue(study))
    executor = RayExecutor(
        address="local", resources=Resources(max_concurrent=1, **resources), cache=cache, run_trial=Located()
    )
    executor.run(ledger.queue, ledger.finish)
    for outcome_of, outcome in ledger.outcomes.items():
        curve = [(point.step, point.split, point.metric, point.value) for point in outcome.curve]
        given = (outcome.status, outcome.error, outcome.metrics, curve, outcome.predictions)
        told[outcome.device + outcome_of] = given
    return sorted(ledger.records, key=lambda record: record.started_at)


def test_a_trial_is_bit_equal_as_the_first_of_its_process_and_as_the_third_after_a_failed_one(runs: Runs) -> None:
    first, (_, failed, third) = runs.cold[-1], runs.warm
    assert first.status == "completed", first.error
    assert failed.status == "failed"
    assert len({record.device for record in runs.warm}) == 1
    assert third.trial_id == first.trial_id
    assert runs.gave(third) == runs.gave(first)


def test_cold_trials_are_bit_equal_to_warm_ones(runs: Runs) -> None:
    assert [runs.gave(record) for record in runs.cold] == [runs.gave(record) for record in runs.warm]


def test_every_cold_trial_has_a_process_of_its_own(runs: Runs) -> None:
    assert len({record.device for record in runs.cold}) == len(runs.cold) == 3
