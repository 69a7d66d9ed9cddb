"""The path design: rounds, what is taken, what is left, and what is confirmed."""

from __future__ import annotations

from typing import Any

import pytest

from ablative.analysis.plan import read_plan
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.deciding.racing import survivors
from ablative.orchestrator.driving.preparing import owed_configs
from ablative.orchestrator.storing.plan import study_content
from ablative.orchestrator.storing.records import Record
from ablative.search_spaces.study import Study
from ablative.trainables.config import ROLES
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all
from tests.helpers.simulated import run_one

FACTORS = {
    "text": {"with": {"distillation.terms.text": 1.0}},
    "tokens": {"with": {"distillation.terms.tokens": 1.0}},
    "image": {"with": {"distillation.terms.image": 1.0}},
}
"""Worth 0, 0.03 and 0.05 to the simulated trainable."""
ORDER = ["base", "with_image", "with_tokens+with_image", "with_text+with_tokens+with_image"]
NO_SEARCH = {"trials": 1, "batch": 1, "sampler": "random", "space": {}}


def path_study(**changes: Any) -> Study:
    arms = {"design": "path", "factors": FACTORS, **changes.pop("arms", {})}
    return make_study(**{"arms": arms, "search": NO_SEARCH, "seeds": {"search": [0], "confirm": [1, 2]}, **changes})


def racing_study(seeds: int) -> Study:
    return path_study(arms={"order": "racing"}, seeds={"search": list(range(10, 10 + seeds)), "confirm": [1, 2]})


def arms_of(queue: TrialQueue, state: str) -> list[str]:
    return list(dict.fromkeys(cell.cell.arm for cell in queue.cells if cell.state == state))


def run_failing(queue: TrialQueue, arm: str) -> list[Record]:
    records = []
    while (trial := queue.next()) is not None:
        record = run_one(trial)
        if trial.arm == arm:
            record = record.model_copy(update={"status": "failed", "cause": "out_of_memory", "metrics": {}})
        queue.record(record)
        records.append(record)
    return records


def test_a_path_takes_the_change_that_gains_most_and_then_the_next() -> None:
    queue = make_queue(path_study())
    run_all(queue)
    assert queue.done
    assert arms_of(queue, "done") == ORDER
    assert sorted(arms_of(queue, "left")) == ["with_text", "with_text+with_image", "with_tokens"]


def test_a_path_whose_target_is_minimised_takes_what_lowers_it_most() -> None:
    queue = make_queue(path_study(target={"metric": "val/accuracy", "mode": "min"}))
    run_all(queue)
    assert arms_of(queue, "done") == [
        "base",
        "with_text",
        "with_text+with_tokens",
        "with_text+with_tokens+with_image",
    ]


def test_only_the_arms_of_the_path_are_confirmed_and_compared() -> None:
    queue = make_queue(path_study())
    records = run_all(queue)
    confirmed = {record.arm for record in records if record.phase == "confirm"}
    assert confirmed == set(ORDER)
    assert list(read_plan(study_content(queue.study, ROLES, queue.plan())).arms) == ORDER


def test_what_is_owed_at_the_start_is_what_a_greedy_path_runs() -> None:
    for changes in ({}, {"search": make_study().model_dump(mode="json")["search"]}, {"conditions": {}}):
        queue = make_queue(path_study(**changes))
        owed = queue.owed()
        assert len(run_all(queue)) == owed


def test_listed_arms_and_controls_stand_behind_the_path() -> None:
    queue = make_queue(path_study(arms={"listed": {"half": {"distillation.terms.image": 0.5}}}))
    run_all(queue)
    assert arms_of(queue, "done") == [*ORDER, "half"]


def test_a_path_goes_on_from_its_records_and_runs_nothing_twice() -> None:
    whole = run_all(make_queue(path_study()))
    for count in range(0, len(whole), 3):
        queue = make_queue(path_study(), whole[:count])
        rest = run_all(queue)
        assert {record.trial_id for record in whole[:count] + rest} == {record.trial_id for record in whole}
        assert len(rest) == len(whole) - count


def test_a_change_that_fails_is_not_taken_while_another_is_there() -> None:
    queue = make_queue(path_study())
    run_failing(queue, "with_image")
    assert arms_of(queue, "done")[:2] == ["base", "with_tokens"]
    assert arms_of(queue, "failed") == ["with_image"]


def test_a_path_on_which_every_change_fails_ends_there() -> None:
    queue = make_queue(path_study(arms={"factors": {name: FACTORS[name] for name in ("text", "image")}}))
    records = []
    while (trial := queue.next()) is not None:
        record = run_one(trial)
        if trial.phase == "search":
            record = record.model_copy(update={"status": "failed", "cause": "trainable_error", "metrics": {}})
        queue.record(record)
        records.append(record)
    assert queue.done
    assert queue.owed() == 0
    assert arms_of(queue, "done") == ["base", "with_text+with_image"]


def test_a_race_gives_up_what_falls_behind_and_finds_the_same_path() -> None:
    greedy = make_queue(path_study(seeds={"search": list(range(10, 20)), "confirm": [1, 2]}))
    racing = make_queue(racing_study(10))
    all_trials, raced = run_all(greedy), run_all(racing)
    assert arms_of(racing, "done") == arms_of(greedy, "done") == ORDER
    assert len(raced) < len(all_trials)
    seeds_of_loser = {record.seed for record in raced if record.arm == "with_text"}
    assert 3 <= len(seeds_of_loser) < 10  # two conditions: five blocks are there after the third seed


def test_preparation_sees_every_pair_of_changes() -> None:
    terms = {
        (c.distillation.terms.image > 0, c.distillation.terms.text > 0, c.distillation.terms.tokens > 0)
        for c in owed_configs(make_queue(path_study()))
    }
    assert {(True, True, False), (True, False, True), (False, True, True)} <= terms


def test_few_blocks_decide_nothing() -> None:
    assert survivors({"a": [1.0] * 4, "b": [0.0] * 4}, "max") == {"a", "b"}


@pytest.mark.parametrize("mode", ["max", "min"])
def test_of_two_candidates_the_one_that_is_worse_in_every_block_is_given_up(mode: Any) -> None:
    values = {"a": [0.9, 0.8, 0.7, 0.95, 0.85, 0.75], "b": [0.1, 0.2, 0.3, 0.15, 0.22, 0.35]}
    assert survivors(values, mode) == ({"a"} if mode == "max" else {"b"})


def test_of_many_candidates_those_near_the_best_stay() -> None:
    base = [0.1 * block for block in range(10)]
    values = {
        "best": [value + 0.5 + 0.01 * (-1) ** number for number, value in enumerate(base)],
        "near": [value + 0.5 for value in base],
        "far": base,
        "farther": [value - 0.2 for value in base],
    }
    assert survivors(values, "max") == {"best", "near"}


def test_candidates_that_are_equal_everywhere_all_stay() -> None:
    assert survivors({"a": [0.5] * 6, "b": [0.5] * 6, "c": [0.5] * 6}, "max") == {"a", "b", "c"}
    assert survivors({"a": [0.5] * 6, "b": [0.5] * 6}, "max") == {"a", "b"}


@pytest.mark.parametrize("more", [{}, {"c": [0.5] * 6}])
def test_candidates_that_differ_in_their_last_bit_only_all_stay(more: dict[str, list[float]]) -> None:
    values = {"a": [0.1 + 0.2] * 6, "b": [0.3] * 6}
    assert survivors(values, "max") == survivors({"a": [0.3] * 6, "b": [0.3] * 6}, "max") == {"a", "b"}
    assert survivors({**values, **more}, "max") == survivors({"a": [0.3] * 6, "b": [0.3] * 6, **more}, "max")
