"""With a stopping rule too, the trials of a study do not depend on timing, on slots, or on interruptions."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.study import Study
from tests.helpers.segments import EVALUATIONS
from tests.helpers.segments import Segments
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study

pytestmark = pytest.mark.slow

SPACE = make_study().model_dump(mode="json")["search"]["space"]
RULES: dict[str, dict[str, Any]] = {
    "halving": {"halving": {"grace": 1, "reduction": 2}},
    "median": {"median": {"grace": 1, "least": 2}},
}


def _study(rule: str, seeds: tuple[int, ...] = (0,)) -> Study:
    search = {"trials": 9, "batch": 4, "sampler": "random", "space": SPACE, "stop": RULES[rule]}
    arms = {"listed": {"plain": {}, "naive": {"distillation.terms.image": 1.0}}}
    return make_study(conditions={}, arms=arms, search=search, seeds={"search": list(seeds), "confirm": [10, 11]})


def _told(records: dict[str, Record]) -> dict[str, tuple[Any, ...]]:
    return {trial: (r.status, r.cause, r.phase, r.proposal, r.metrics) for trial, r in records.items()}


def _broken(trial: Trial, evaluation: int) -> bool:
    """A few trials come to grief, by what they are and not by when they run."""
    return trial.phase == "search" and int(trial.id[0], 16) == evaluation


@cache
def _undisturbed(rule: str, failing: bool, seeds: tuple[int, ...]) -> dict[str, tuple[Any, ...]]:
    segments = Segments(fails=_broken) if failing else Segments()
    segments.run(make_queue(_study(rule, seeds)), 1, random.Random(0))
    return _told(segments.records)


@given(
    st.sampled_from(sorted(RULES)),
    st.booleans(),
    st.sampled_from([(0,), (0, 1)]),
    st.integers(1, 9),
    st.lists(st.integers(1, 25), max_size=4),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_any_order_and_any_interruptions_give_the_same_records(
    rule: str, failing: bool, seeds: tuple[int, ...], slots: int, stops: list[int], rng: random.Random
) -> None:
    segments = Segments(fails=_broken) if failing else Segments()
    for stop in [*stops, None]:
        records = list(segments.records.values())
        queue = make_queue(_study(rule, seeds), rng.sample(records, len(records)), curves=dict(segments.curves))
        segments.run(queue, slots, rng, stop)

    assert queue.done
    assert queue.owed() == 0
    assert _told(segments.records) == _undisturbed(rule, failing, seeds)


def test_halving_trains_less_and_gives_up_what_is_worse_at_a_rung() -> None:
    study = _study("halving")
    segments = Segments()
    segments.run(make_queue(study), 3, random.Random(1))

    for arm in ("plain", "naive"):
        search = [r for r in segments.records.values() if r.arm == arm and r.phase == "search"]
        batch = [record for record in search if record.proposal is not None and record.proposal < 4]
        at_first_rung = sorted(batch, key=lambda r: segments.curves[r.trial_id][0])
        assert [r.status for r in at_first_rung[:2]] == ["stopped", "stopped"]
        assert {segments.evaluations[r.trial_id] for r in at_first_rung[:2]} == {1}
        assert sorted(r.status for r in batch) == ["completed", "stopped", "stopped", "stopped"]
        assert {r.cause for r in batch if r.status == "stopped"} == {"halving"}
    full = EVALUATIONS * len(segments.records)
    assert sum(segments.evaluations.values()) < 0.75 * full


def test_a_stopped_trial_is_never_the_one_that_is_confirmed() -> None:
    for rule in RULES:
        segments = Segments()
        queue = make_queue(_study(rule))
        segments.run(queue, 2, random.Random(3))
        for cell in queue.cells:
            done = [
                r for r in segments.records.values() if r.cell_id == cell.id and r.phase == "search" and r.completed
            ]
            best = max(done, key=lambda record: record.metrics["val/accuracy"])
            assert cell.confirm[0].parameters == best.parameter_values()


def test_the_median_rule_needs_earlier_batches() -> None:
    segments = Segments()
    segments.run(make_queue(_study("median")), 2, random.Random(3))
    stopped = [r for r in segments.records.values() if r.status == "stopped"]

    assert stopped
    assert min(record.proposal for record in stopped if record.proposal is not None) >= 4
    assert {record.cause for record in stopped} == {"median"}
