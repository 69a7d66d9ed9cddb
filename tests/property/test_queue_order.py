"""The trials of a study do not depend on timing, on the number of slots, or on where it was interrupted."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.analysis.views.sequential import clear_arms
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.storing.records import Record
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all
from tests.helpers.simulated import run_one

SPACE = make_study().model_dump(mode="json")["search"]["space"]


PATH = {
    "design": "path",
    "factors": {
        "text": {"with": {"distillation.terms.text": 1.0}},
        "tokens": {"with": {"distillation.terms.tokens": 1.0}},
        "image": {"with": {"distillation.terms.image": 1.0}},
    },
}
NONE = {"trials": 1, "batch": 1, "sampler": "random", "space": {}}
RACE_SEEDS = {"search": [20, 21, 22, 23, 24, 25], "confirm": [1, 2]}
LOOK_SEEDS = {"search": [0], "confirm": list(range(1, 15)), "sequential": {"looks": [9, 11]}}
TOGETHER: dict[str, dict[str, Any]] = {
    "path": {"arms": PATH, "search": NONE},
    "race": {"arms": {**PATH, "order": "racing"}, "search": NONE, "seeds": RACE_SEEDS},
    "looks": {"seeds": LOOK_SEEDS},
}
"""Studies in which cells wait for each other."""


def _study(sampler: str = "random", **changes: Any) -> Any:
    search = {"trials": 5, "batch": 2, "sampler": sampler, "space": SPACE}
    if sampler == "tpe":  # far enough to be past the initial settings
        search = {**search, "trials": 14, "batch": 7}
    return make_study(**{"conditions": {}, "search": search, **changes})


@cache
def _undisturbed(sampler: str) -> frozenset[str]:
    return frozenset(record.trial_id for record in run_all(make_queue(_study(sampler))))


def _run_in_disorder(queue: TrialQueue, slots: int, rng: random.Random, stop_after: int | None = None) -> list[Record]:
    running, records = [], []
    while not queue.done and (stop_after is None or len(records) < stop_after):
        while len(running) < slots and (trial := queue.next()) is not None:
            running.append(trial)
        records.append(run_one(running.pop(rng.randrange(len(running)))))
        queue.record(records[-1])
    return records


@given(st.integers(1, 12), st.randoms(use_true_random=False), st.sampled_from(["random", "tpe"]))
@settings(max_examples=25, deadline=None)
def test_any_order_on_any_number_of_slots_gives_the_same_trials(slots: int, rng: random.Random, sampler: str) -> None:
    queue = make_queue(_study(sampler))
    records = _run_in_disorder(queue, slots, rng)

    assert len(records) == len({record.trial_id for record in records})
    assert {record.trial_id for record in records} == _undisturbed(sampler)
    assert queue.owed() == 0


@given(st.integers(1, 6), st.lists(st.integers(1, 9), max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_any_interruptions_give_the_same_trials_and_run_none_twice(
    slots: int, stops: list[int], rng: random.Random
) -> None:
    records: list[Record] = []
    for stop in [*stops, None]:
        queue = make_queue(_study(), rng.sample(records, len(records)))
        records += _run_in_disorder(queue, slots, rng, stop)

    assert len(records) == len({record.trial_id for record in records})
    assert {record.trial_id for record in records} == _undisturbed("random")


@cache
def _undisturbed_together(name: str) -> frozenset[str]:
    return frozenset(record.trial_id for record in run_all(make_queue(_study(**TOGETHER[name]), judge=clear_arms)))


@pytest.mark.slow
@given(
    st.sampled_from(sorted(TOGETHER)),
    st.integers(1, 8),
    st.lists(st.integers(1, 30), max_size=3),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_decisions_over_several_cells_are_the_same_in_any_order_and_after_any_interruption(
    name: str, slots: int, stops: list[int], rng: random.Random
) -> None:
    records: list[Record] = []
    for stop in [*stops, None]:
        queue = make_queue(_study(**TOGETHER[name]), rng.sample(records, len(records)), judge=clear_arms)
        records += _run_in_disorder(queue, slots, rng, stop)

    assert len(records) == len({record.trial_id for record in records})
    assert {record.trial_id for record in records} == _undisturbed_together(name)
    assert queue.owed() == queue.may_follow() == 0


@given(st.sets(st.integers(10, 1000), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_further_confirm_seeds_owe_exactly_the_difference(seeds: set[int]) -> None:
    records = run_all(make_queue(_study()))
    queue = make_queue(_study(seeds={"search": [0], "confirm": [1, 2, 3, *sorted(seeds)]}), records)

    assert queue.owed() == len(seeds) * len(queue.cells)
    rest = run_all(queue)
    assert {record.seed for record in rest} == seeds
    assert len(rest) == len(seeds) * len(queue.cells)


@pytest.mark.slow
@given(st.sets(st.integers(0, 7), max_size=5), st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_failures_do_not_make_the_order_matter(bad: set[int], slots: int, rng: random.Random) -> None:
    """Trials fail by what they are (here: by the first digit of their id), so that any order fails the same ones."""
    trainable = SimulatedTrainable()

    def run(slots: int, rng: random.Random) -> dict[str, str]:
        queue, running, found = make_queue(_study()), [], {}
        while not queue.done:
            while len(running) < slots and (trial := queue.next()) is not None:
                running.append(trial)
            trial = running.pop(rng.randrange(len(running)))
            record = run_one(trial, trainable)
            if int(trial.id[0], 16) // 2 in bad:
                record = record.model_copy(update={"status": "failed", "cause": "out_of_memory", "metrics": {}})
            found[trial.id] = record.status
            queue.record(record)
        return found

    assert run(slots, rng) == run(1, random.Random(0))
