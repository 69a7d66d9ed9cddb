"""`search.shared`: one setting for all arms of a condition."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from ablative.analysis.plan import read_plan
from ablative.analysis.views.sequential import clear_arms
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.storing.plan import study_content
from ablative.search_spaces.study import Study
from ablative.trainables.config import ROLES
from tests.helpers.lucky import run_in_any_order
from tests.helpers.lucky import run_lucky
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study

SPACE = {"optim.lr": {"loguniform": [1e-5, 1e-2]}, "distillation.selection.ratio": {"uniform": [0.1, 0.9]}}


def shared_study(**changes: Any) -> Study:
    search = {
        "trials": 6,
        "batch": 2,
        "sampler": "random",
        "space": SPACE,
        "shared": True,
        **changes.pop("search", {}),
    }
    return make_study(search=search, **changes)


def chosen(queue: TrialQueue) -> dict[Any, set[str]]:
    """Return condition -> the learning rates that are confirmed there."""
    found: dict[Any, set[str]] = defaultdict(set)
    for cell in queue.cells:
        found[cell.cell.condition].update(str(trial.parameters["optim.lr"]) for trial in cell.confirm)
    return dict(found)


def test_all_arms_confirm_the_setting_with_the_best_mean_over_them() -> None:
    queue = make_queue(shared_study())
    run_in_any_order(queue)
    assert queue.done
    for condition, rates in chosen(queue).items():
        assert len(rates) == 1
        means: dict[str, list[float]] = defaultdict(list)
        for cell in queue.cells:
            for setting in cell.proposed if cell.cell.condition == condition else ():
                result = queue.known[setting.trials[0].id].value
                means[str(setting.parameters["optim.lr"])].append(result or 0.0)
        assert rates == {max(means, key=lambda rate: sum(means[rate]) / len(means[rate]))}


def test_each_arm_for_itself_would_not_have_agreed() -> None:
    queue = make_queue(shared_study(search={"shared": False}))
    run_in_any_order(queue)
    assert max(map(len, chosen(queue).values())) > 1


def test_an_arm_takes_the_parameters_that_it_has_of_the_shared_setting() -> None:
    queue = make_queue(shared_study())
    run_in_any_order(queue)
    paths = {cell.cell.arm: {path for trial in cell.confirm for path in trial.parameters} for cell in queue.cells}
    assert paths["tokens"] == set(SPACE)
    assert paths["plain"] == {"optim.lr"}


def test_it_costs_no_more_trials_than_a_search_of_each_arm() -> None:
    alone, together = make_queue(shared_study(search={"shared": False})), make_queue(shared_study())
    assert alone.owed() == together.owed() == 6 * (6 + 3)
    assert len(run_in_any_order(together)) == 6 * (6 + 3)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_neither_the_order_of_results_nor_a_kill_changes_the_trials(sampler: str) -> None:
    study = shared_study(search={"trials": 14, "batch": 2, "sampler": sampler}, conditions={})
    whole = {record.trial_id for record in run_in_any_order(make_queue(study))}
    other = {record.trial_id for record in run_in_any_order(make_queue(study), order=1)}
    first = run_in_any_order(make_queue(study), order=2, most=25)
    rest = run_in_any_order(make_queue(study, first), order=3)
    assert whole == other == {record.trial_id for record in [*first, *rest]}
    assert len(first) + len(rest) == len(whole)


def test_a_setting_that_failed_in_one_arm_is_none_for_all() -> None:
    queue = make_queue(shared_study(conditions={}))
    best = max(run_in_any_order(make_queue(shared_study(conditions={}))), key=lambda one: one.phase == "confirm")
    rate = best.parameters["optim.lr"]
    while (trial := queue.next()) is not None:
        record = run_lucky(trial)
        failed = trial.arm == "plain" and record.parameters["optim.lr"] == rate
        queue.record(record.model_copy(update={"status": "failed", "metrics": {}}) if failed else record)
    assert rate not in {str(trial.parameters["optim.lr"]) for cell in queue.cells for trial in cell.confirm}
    assert {cell.state for cell in queue.cells} == {"done"}


def test_an_arm_that_completes_nothing_leaves_all_without_a_setting() -> None:
    queue = make_queue(shared_study(conditions={}))
    while (trial := queue.next()) is not None:
        failed = {"status": "failed", "metrics": {}} if trial.arm == "plain" else {}
        queue.record(run_lucky(trial).model_copy(update=failed))
    assert queue.done
    assert {cell.state for cell in queue.cells} == {"failed"}


def test_looks_go_on_with_the_shared_setting() -> None:
    seeds = {"search": [0], "confirm": list(range(1, 13)), "sequential": {"looks": [8]}}
    queue = make_queue(shared_study(seeds=seeds, conditions={}), judge=clear_arms)
    run_in_any_order(queue)
    assert queue.done
    assert {len(cell.confirm) for cell in queue.cells} <= {8, 12}
    assert [len(rates) for rates in chosen(queue).values()] == [1]


def test_a_search_by_itself_keeps_its_identity_and_a_shared_one_has_its_own() -> None:
    ids = [{cell.id for cell in make_queue(shared_study(search={"shared": shared})).cells} for shared in (False, True)]
    assert not ids[0] & ids[1]
    assert ids[0] == {
        cell.id
        for cell in make_queue(make_study(search={"trials": 6, "batch": 2, "sampler": "random", "space": SPACE})).cells
    }


def test_the_stored_plan_says_that_it_is_shared() -> None:
    queue = make_queue(shared_study())
    assert read_plan(study_content(queue.study, ROLES, queue.plan())).search.shared
