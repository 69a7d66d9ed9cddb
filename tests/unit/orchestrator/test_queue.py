from __future__ import annotations

from typing import Any

import pytest

from ablative.orchestrator.inputs import evaluated
from ablative.orchestrator.storing.claims import SoleDriver
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import adopted
from ablative.orchestrator.trials import Trial
from tests.helpers.simulated import make_inputs
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all
from tests.helpers.simulated import run_one

STUDY = make_study()
CELLS, SEARCH, CONFIRM = 6, 4, 3
ALL = CELLS * (SEARCH + CONFIRM)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return run_all(make_queue(STUDY))


def _search(**changes: Any) -> dict[str, Any]:
    return {**STUDY.model_dump(mode="json")["search"], **changes}


def _ids(records: list[Record]) -> set[str]:
    return {record.trial_id for record in records}


def _failed(record: Record) -> Record:
    return record.model_copy(update={"status": "failed", "cause": "trainable_error", "metrics": {}})


def test_every_cell_is_searched_with_one_budget_and_confirmed_with_every_seed(records: list[Record]) -> None:
    assert len(records) == ALL
    for cell in {record.cell for record in records}:
        mine = [record for record in records if record.cell == cell]
        assert sorted(record.proposal for record in mine if record.proposal is not None) == list(range(SEARCH))
        assert sorted(record.seed for record in mine if record.phase == "confirm") == [1, 2, 3]


def test_search_sees_only_the_targets_split_and_confirm_all_that_are_asked_for(records: list[Record]) -> None:
    assert {record.evaluate for record in records if record.phase == "search"} == {("val",)}
    assert {record.evaluate for record in records if record.phase == "confirm"} == {("val", "test", "test_style")}


def test_the_best_setting_is_confirmed(records: list[Record]) -> None:
    for cell in {record.cell for record in records}:
        search = [record for record in records if record.cell == cell and record.phase == "search"]
        best = max(search, key=lambda record: record.metrics["val/accuracy"])
        confirmed = [record.parameters for record in records if record.cell == cell and record.phase == "confirm"]
        assert confirmed == [best.parameters] * CONFIRM


def test_a_target_that_is_minimised_confirms_the_lowest() -> None:
    study = make_study(target={"metric": "val/accuracy", "mode": "min"})
    found = run_all(make_queue(study))
    for cell in {record.cell for record in found}:
        search = [record for record in found if record.cell == cell and record.phase == "search"]
        lowest = min(search, key=lambda record: record.metrics["val/accuracy"])
        assert next(r.parameters for r in found if r.cell == cell and r.phase == "confirm") == lowest.parameters


def test_equal_settings_confirm_the_earliest() -> None:
    queue = make_queue(make_study(conditions={}))
    while (trial := queue.next()) is not None:
        queue.record(run_one(trial).model_copy(update={"metrics": {"val/accuracy": 0.5}}))
    for cell in queue.cells:
        assert cell.confirm[0].parameters == cell.proposed[0].parameters


def test_a_batch_starts_when_the_one_before_is_recorded() -> None:
    queue = make_queue(make_study(conditions={}, arms={"listed": {"plain": {}}}))
    first, second = queue.next(), queue.next()
    assert first is not None
    assert second is not None
    assert queue.next() is None
    queue.record(run_one(first))
    assert queue.next() is None
    assert not queue.done
    queue.record(run_one(second))
    third = queue.next()
    assert third is not None
    assert third.proposal == 2


def test_a_cell_does_not_wait_for_its_siblings() -> None:
    queue = make_queue(make_study(arms={"listed": {"plain": {}, "naive": {"distillation.terms.image": 1.0}}}))
    waiting, phases = [], []
    while (trial := queue.next()) is not None:
        if trial.arm == "naive":
            waiting.append(trial)
            continue
        phases.append(trial.phase)
        queue.record(run_one(trial))
    assert phases.count("confirm") == 2 * CONFIRM
    assert not queue.done
    assert len(waiting) == 4


def test_owed_counts_down_to_nothing(records: list[Record]) -> None:
    queue = make_queue(STUDY)
    counts = [queue.owed()]
    while (trial := queue.next()) is not None:
        queue.record(run_one(trial))
        counts.append(queue.owed())
    assert counts == list(range(ALL, -1, -1))
    assert queue.done


def test_recorded_trials_are_not_owed(records: list[Record]) -> None:
    queue = make_queue(STUDY, records)
    assert queue.done
    assert queue.next() is None
    assert queue.owed() == 0


@pytest.mark.parametrize("kept", [0, 5, 20, ALL - 1])
def test_a_resumed_study_runs_the_rest_and_nothing_twice(records: list[Record], kept: int) -> None:
    rest = run_all(make_queue(STUDY, records[:kept]))
    assert _ids(rest) == _ids(records) - _ids(records[:kept])
    assert len(rest) == ALL - kept


def test_a_further_confirm_seed_owes_exactly_its_trials(records: list[Record]) -> None:
    queue = make_queue(make_study(seeds={"search": [0], "confirm": [1, 2, 3, 9]}), records)
    rest = run_all(queue)
    assert {(record.phase, record.seed) for record in rest} == {("confirm", 9)}
    assert len(rest) == CELLS


def test_a_longer_search_continues_the_shorter_one(records: list[Record]) -> None:
    longer = make_study(search=_search(trials=6))
    searched = [record for record in run_all(make_queue(longer, records)) if record.phase == "search"]
    assert {record.proposal for record in searched} == {4, 5}
    at_once = {record.trial_id for record in run_all(make_queue(longer))}
    assert _ids(searched) <= at_once


def test_a_search_that_ends_inside_a_batch_continues_as_if_it_had_not(records: list[Record]) -> None:
    shorter = run_all(make_queue(make_study(search=_search(trials=3))))
    continued = run_all(make_queue(STUDY, shorter))
    assert _ids(records) <= _ids(shorter) | _ids(continued)


def test_a_renamed_study_or_arm_computes_the_same_trials(records: list[Record]) -> None:
    renamed = make_study(study="other", question="Other words?")
    assert _ids(run_all(make_queue(renamed))) == _ids(records)
    listed = {f"my_{name}": changes for name, changes in STUDY.arms.listed.items()}
    assert make_queue(make_study(arms={"listed": listed}), records).done


def test_records_of_other_data_or_another_teacher_are_not_trusted(records: list[Record]) -> None:
    assert make_queue(STUDY, records, inputs=make_inputs(data="new")).owed() == ALL
    assert make_queue(STUDY, records, inputs=make_inputs(teacher="new")).owed() == ALL


def test_settings_are_taken_from_records_rather_than_proposed_again(records: list[Record]) -> None:
    """So that a newer Optuna, which proposes otherwise, goes on with what was run."""
    queue = make_queue(STUDY)
    trial = queue.next()
    assert trial is not None
    cell = next(cell for cell in queue.cells if cell.cell.name == trial.cell)
    other = {**trial.parameters, "optim.lr": 0.00123}
    (moved,) = cell.search.maker.trials("search", (trial.seed,), other, trial.proposal)
    again = make_queue(STUDY, [run_one(moved)])
    assert again.cells[0].proposed[0].parameters == other


def test_a_failed_trial_is_not_run_again_unless_it_is_asked_for(records: list[Record]) -> None:
    broken = [_failed(record) if record.seed == 2 else record for record in records]
    assert make_queue(STUDY, broken).done
    retried = run_all(make_queue(STUDY, broken, retry_failed=True))
    assert {record.seed for record in retried} == {2}
    assert len(retried) == CELLS


def test_a_failed_setting_is_not_confirmed() -> None:
    queue = make_queue(make_study(conditions={}, arms={"listed": {"plain": {}}}))
    found = []
    while (trial := queue.next()) is not None:
        record = run_one(trial)
        found.append(_failed(record) if trial.proposal in (0, 1, 2) else record)
        queue.record(found[-1])
    confirmed = [record for record in found if record.phase == "confirm"]
    assert len(confirmed) == CONFIRM
    assert confirmed[0].parameters == next(record.parameters for record in found if record.proposal == 3)


@pytest.mark.parametrize("metrics", [{}, {"val/accuracy": float("nan")}])
def test_a_cell_without_a_usable_setting_is_failed_and_owes_nothing(metrics: dict[str, float]) -> None:
    queue = make_queue(make_study(conditions={}))
    while (trial := queue.next()) is not None:
        record = run_one(trial)
        queue.record(record.model_copy(update={"metrics": metrics}) if trial.arm == "plain" else record)
    states = {progress.arm: progress.state for progress in queue.progress()}
    assert states == {"plain": "failed", "naive": "done", "tokens": "done"}
    assert queue.done
    assert queue.owed() == 0


def test_settings_are_judged_by_the_mean_over_search_seeds() -> None:
    study = make_study(conditions={}, arms={"listed": {"plain": {}}}, seeds={"search": [0, 7], "confirm": [1]})
    queue = make_queue(study)
    values = {(0, 0): 0.9, (0, 7): 0.1, (1, 0): 0.6, (1, 7): 0.6, (2, 0): 0.99}
    while (trial := queue.next()) is not None:
        record = run_one(trial)
        value = values.get((trial.proposal or 0, trial.seed), 0.2)
        record = record.model_copy(update={"metrics": {"val/accuracy": value}})
        queue.record(_failed(record) if (trial.proposal, trial.seed) == (2, 7) else record)
    (cell,) = queue.cells
    assert cell.confirm[0].parameters == cell.proposed[1].parameters


def test_a_cell_with_nothing_to_search_is_confirmed_at_once() -> None:
    queue = make_queue(make_study(search={"trials": 4, "batch": 2, "space": {}}))
    assert {trial.phase for trial in queue.trials()} == {"confirm"}
    assert queue.owed() == CELLS * CONFIRM
    assert len(run_all(queue)) == CELLS * CONFIRM


def test_a_setting_that_is_proposed_twice_is_run_once() -> None:
    space = {"optim.epochs": {"choice": [4, 8]}}
    study = make_study(conditions={}, search={"trials": 6, "batch": 3, "sampler": "random", "space": space})
    records = run_all(make_queue(study))
    searched = [record for record in records if record.phase == "search"]
    assert len(searched) == 3 * 2
    again = make_queue(study, records)
    assert again.done
    assert again.progress()[0].search_done == 6


def test_one_trial_in_two_cells_is_run_once_and_stands_in_both() -> None:
    study = make_study(
        conditions={"teacher.control": ["none", "shuffled"]},
        arms={"listed": {"plain": {}, "naive": {"distillation.terms.image": 1.0}}},
    )
    queue = make_queue(study)
    ids = [record.trial_id for record in run_all(queue)]
    assert len(ids) == len(set(ids)) == 3 * (SEARCH + CONFIRM)
    plans = {cell.name: set(cell.trials) for cell in queue.plan()}
    assert plans["plain|teacher.control=none"] == plans["plain|teacher.control=shuffled"]


def test_trials_of_other_studies_are_taken(records: list[Record]) -> None:
    known = {record.trial_id: record for record in records if record.phase == "search"}

    taken: list[Record] = []

    def lookup(trial: Trial) -> Record | None:
        if trial.id not in known:
            return None
        taken.append(adopted(known[trial.id], trial))
        return taken[-1]

    other = make_study(study="second")
    queue = make_queue(other, lookup=lookup)
    assert queue.owed() == CELLS * CONFIRM
    assert queue.num_taken == len(taken) == CELLS * SEARCH
    assert {(record.study, record.source_study) for record in taken} == {("second", "simulated")}


def test_progress_and_plan_tell_where_a_study_stands() -> None:
    queue = make_queue(STUDY)
    version = queue.version
    started = queue.next()
    assert started is not None
    assert queue.progress()[0].running == 1
    assert queue.progress()[0].search_total == SEARCH
    queue.record(run_one(started))
    assert queue.progress()[0].search_done == 1
    assert queue.version == version
    run_all(queue)
    assert queue.version > version
    assert {progress.state for progress in queue.progress()} == {"done"}
    assert all(progress.best is not None for progress in queue.progress())


def test_shifted_tests_are_those_that_the_task_has() -> None:
    splits = ("train", "val", "test", "test_style", "test_priors")
    assert evaluated(("test", "test_shifted", "val"), splits) == ("val", "test", "test_style", "test_priors")
    assert evaluated(("val", "test_shortcuts"), splits) == ("val",)


@pytest.mark.slow
def test_queue_of_a_searched_study_needs_no_optuna_before_there_is_something_to_learn() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from tests.helpers.simulated import *; run_all(make_queue(make_study())); "
        "assert 'optuna' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_warm_start_learns_from_the_cell_of_the_same_arm_and_condition_only(records: list[Record]) -> None:
    tpe = _search(sampler="tpe", trials=4, batch=4)
    cold = make_queue(make_study(search=tpe, study="second"))
    enough = [r.model_copy(update={"proposal": n}) for n in range(12) for r in records if r.phase == "search"]
    study = make_study(search={**tpe, "warm_start": "simulated"}, study="second")
    warm = make_queue(study, warm=enough)
    others = make_queue(study, warm=[r.model_copy(update={"arm": "another"}) for r in enough])

    def first(queue: Any) -> list[Any]:
        return [cell.proposed[0].parameters for cell in queue.cells]

    assert first(others) == first(cold)
    assert first(warm) != first(cold)
    otherwise = make_study(search=study.search, study="second", conditions={"task.data_fraction": [0.05, 1]})
    assert first(make_queue(otherwise, warm=enough)) == first(warm)  # 1 and 1.0 are one number


def test_a_cell_that_has_spent_its_device_seconds_starts_no_batch() -> None:
    study = make_study(search=_search(trials=4, batch=2, device_seconds=0.15), conditions={})
    queue = make_queue(study)
    found = run_all(queue)
    assert queue.done
    assert {len(cell.proposed) for cell in queue.cells} == {2}
    assert sum(record.phase == "confirm" for record in found) == 3 * CONFIRM


def test_a_grid_that_is_smaller_than_the_budget_ends_the_search() -> None:
    grid = {"trials": 9, "batch": 4, "sampler": "grid", "space": {"optim.epochs": {"randint": [1, 7]}}}
    queue = make_queue(make_study(search=grid, conditions={}, arms={"listed": {"plain": {}}}))
    found = run_all(queue)
    assert [r.parameter_values()["optim.epochs"] for r in found if r.phase == "search"] == [1, 2, 3, 4, 5, 6]
    assert queue.progress()[0].search_total == 6
    assert queue.owed() == 0


def test_what_others_run_is_waited_for_and_taken_from_their_records(records: list[Record]) -> None:
    by_id = {record.trial_id: record for record in records}

    class Shared(SoleDriver):
        """Another driver holds the first trial that is asked for, and records it in the end."""

        theirs: str = ""
        recorded_there = False

        def claim(self, keys: Any) -> set[str]:
            self.theirs = self.theirs or min(keys)
            return set(keys) - {self.theirs}

        def recorded(self, trials: Any) -> list[Record]:
            return [by_id[trial.id] for trial in trials if trial.id == self.theirs and self.recorded_there]

        def is_due(self) -> bool:
            return True

    claims = Shared()
    queue = make_queue(STUDY, claims=claims)
    ran: list[str] = []

    def step() -> bool:
        trial = queue.next()
        if trial is None:
            return False
        ran.append(trial.id)
        queue.record(run_one(trial))
        return True

    claims.is_due = lambda: False  # type: ignore[method-assign]
    while step():
        pass
    assert queue.waits and not queue.done
    claims.recorded_there = True
    claims.is_due = lambda: True  # type: ignore[method-assign]
    while step():
        pass
    assert queue.done
    assert claims.theirs not in ran
    assert len(ran) == ALL - 1
