"""Cells with several searches: `seeds.nested`, where each confirm seed has its own, and `search.repeats`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablative.analysis.plan import read_plan
from ablative.analysis.views.cells import cells_view
from ablative.analysis.views.effects import primary_rows
from ablative.analysis.views.searched import searched
from ablative.analysis.views.sequential import clear_arms
from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.deciding.costs import expected_cost
from ablative.orchestrator.deciding.keeping import named
from ablative.orchestrator.deciding.keeping import spare
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.showing.overview import recorded
from ablative.orchestrator.showing.standing import standing
from ablative.orchestrator.storing.plan import placed
from ablative.orchestrator.storing.plan import study_content
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import record_table
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.study import Study
from ablative.trainables.config import ROLES
from tests.helpers.lucky import run_in_any_order
from tests.helpers.lucky import run_lucky
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study

SPACE = {"optim.lr": {"loguniform": [1e-5, 1e-2]}}
SEEDS = (1, 2, 3, 4)
TRIED, ARMS = 4, 3


def study_of(seeds: dict[str, Any], **search: Any) -> Study:
    tried = {"trials": TRIED, "batch": 2, "sampler": "random", "space": SPACE, **search}
    return make_study(search=tried, seeds={"confirm": list(SEEDS), **seeds}, conditions={})


def nested(**changes: Any) -> Study:
    return study_of({"nested": True, **changes})


def repeated(repeats: int = 2, search: tuple[int, ...] = (10, 11)) -> Study:
    return study_of({"search": list(search)}, repeats=repeats)


def rows_of(queue: TrialQueue, records: list[Record]) -> dict[str, dict[str, Any]]:
    plan = read_plan(study_content(queue.study, ROLES, queue.plan()))
    return {row["arm"]: row for row in primary_rows(placed(record_table(records), queue.plan()), plan)}


def best_of_seed(cell: CellTrials, seed: int, queue: TrialQueue) -> str:
    tried = [trial for setting in cell.proposed for trial in setting.trials if trial.seed == seed]
    return max(tried, key=lambda trial: queue.known[trial.id].value or 0.0).id


def test_the_test_trial_of_a_nested_seed_is_its_own_trial_that_was_best_on_val() -> None:
    queue = make_queue(nested())
    run_in_any_order(queue)
    assert queue.done
    for cell in queue.cells:
        assert [trial.seed for trial in cell.confirm] == list(SEEDS)
        assert [trial.id for trial in cell.confirm] == [best_of_seed(cell, seed, queue) for seed in SEEDS]
        assert {split for trial in cell.confirm for split in trial.evaluate} == {"val", "test", "test_style"}
        assert len({trial.parameters["optim.lr"] for trial in cell.confirm}) > 1


def test_nested_seeds_take_a_search_each_and_nothing_after_it() -> None:
    queue = make_queue(nested())
    assert queue.owed() == ARMS * TRIED * len(SEEDS)
    records = run_in_any_order(queue)
    assert len(records) == ARMS * TRIED * len(SEEDS)
    assert {record.phase for record in records} == {"search"}
    cost = expected_cost(make_queue(nested()).cells, (), records)
    assert cost.device_seconds == pytest.approx(sum(record.device_seconds for record in records))
    assert cost.num_unknown == 0


def test_under_one_nested_seed_all_arms_start_with_the_same_settings_and_seeds_differ() -> None:
    queue = make_queue(nested())
    run_in_any_order(queue)
    tried = {
        (cell.cell.arm, seed): [
            trial.parameters["optim.lr"] for setting in cell.proposed for trial in setting.trials if trial.seed == seed
        ]
        for cell in queue.cells
        for seed in SEEDS
    }
    assert all(len({tuple(tried[arm, seed]) for arm in ("plain", "naive")}) == 1 for seed in SEEDS)
    assert len({tuple(tried["plain", seed]) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("study", [nested(), repeated()], ids=["nested", "repeated"])
def test_neither_the_order_of_results_nor_a_kill_changes_the_trials(study: Study) -> None:
    whole = make_queue(study)
    all_ids = {record.trial_id for record in run_in_any_order(whole)}
    first = run_in_any_order(make_queue(study), order=1, most=17)
    again = make_queue(study, first)
    rest = run_in_any_order(again, order=2)
    assert {record.trial_id for record in [*first, *rest]} == all_ids
    assert len(first) + len(rest) == len(all_ids)
    chosen = [[trial.id for trial in cell.confirm] for cell in whole.cells]
    assert [[trial.id for trial in cell.confirm] for cell in again.cells] == chosen


def test_further_nested_seeds_owe_their_own_searches_alone() -> None:
    records = run_in_any_order(make_queue(nested()))
    longer = make_queue(nested(confirm=[*SEEDS, 5, 6]), records)
    assert longer.owed() == ARMS * TRIED * 2
    assert not {record.trial_id for record in run_in_any_order(longer)} & {record.trial_id for record in records}


def test_nested_arms_are_paired_by_seed_on_test() -> None:
    queue = make_queue(nested())
    records = run_in_any_order(queue)
    row = rows_of(queue, records)["tokens"]
    assert (row["n_pairs"], row["planned"], row["completed"], row["missing"]) == (4, 4, 4, 0)
    by_id = {record.trial_id: record.metrics["test/accuracy"] for record in records}
    cells = {cell.cell.arm: cell for cell in queue.cells}
    mean = {arm: sum(by_id[trial.id] for trial in cells[arm].confirm) / 4 for arm in ("tokens", "plain")}
    assert row["difference"] == pytest.approx(mean["tokens"] - mean["plain"])


def test_a_nested_seed_that_completed_nothing_is_lost_and_does_not_stop_the_others() -> None:
    queue = make_queue(nested())
    records = []
    while (trial := queue.next()) is not None:
        failed = {"status": "failed", "metrics": {}} if (trial.arm, trial.seed) == ("tokens", 2) else {}
        records.append(run_lucky(trial).model_copy(update=failed))
        queue.record(records[-1])
    assert queue.done
    row = rows_of(queue, records)["tokens"]
    assert (row["n_pairs"], row["completed"], row["failed"], row["missing"]) == (3, 3, 1, 0)


def test_an_arm_without_anything_to_search_has_one_trial_a_nested_seed() -> None:
    study = make_study(
        arms={"listed": {"plain": {"optim.lr": 1e-3}, "naive": {"distillation.terms.image": 1.0}}},
        search={"trials": TRIED, "batch": 2, "sampler": "random", "space": SPACE},
        seeds={"confirm": list(SEEDS), "nested": True},
        conditions={},
    )
    queue = make_queue(study)
    assert queue.owed() == 4 + 4 * TRIED
    assert len(run_in_any_order(queue)) == 4 + 4 * TRIED


def test_looks_give_further_nested_seeds_to_what_is_not_clear() -> None:
    study = nested(confirm=list(range(1, 13)), sequential={"looks": [9]})
    queue = make_queue(study, judge=clear_arms)
    assert queue.owed() == ARMS * TRIED * 9
    assert queue.may_follow() == ARMS * TRIED * 3
    records = run_in_any_order(queue)
    assert queue.done
    assert {len(cell.confirm) for cell in queue.cells} <= {9, 12}
    assert len(records) == sum(TRIED * len(cell.confirm) for cell in queue.cells)


@pytest.mark.parametrize("keep", ["best", "confirmed"])
def test_a_nested_seed_keeps_the_student_that_is_best_by_now(keep: str) -> None:
    study = nested().model_copy(update={"keep": nested().keep.model_copy(update={"students": keep})})
    queue = make_queue(study)
    trial = queue.next()
    assert trial is not None
    assert trial.keep_student and trial.keep_predictions
    queue.record(run_lucky(trial))
    assert named(study, queue.cells, queue.known) == {trial.id}
    records = run_in_any_order(queue)
    everyone = {record.trial_id for record in records} | {trial.id}
    kept = named(study, queue.cells, queue.known)
    chosen = {trial.id for cell in queue.cells for trial in cell.confirm}
    assert kept <= chosen
    assert len(kept) == (ARMS if keep == "best" else ARMS * len(SEEDS))
    assert spare(study, queue.cells, queue.known, everyone) == everyone - kept


def test_search_trials_of_other_studies_keep_neither_students_nor_predictions() -> None:
    trial = make_queue(study_of({"search": [0]})).next()
    assert trial is not None
    assert not trial.keep_student and not trial.keep_predictions


@pytest.mark.parametrize("study, total", [(nested(), 48), (repeated(), 36)], ids=["nested", "repeated"])
def test_status_counts_every_trial_once_and_tells_the_mean_of_the_best(
    tmp_path: Path, study: Study, total: int
) -> None:
    store = Store.open(str(tmp_path))
    executor = InlineExecutor(run_trial=SimulatedTrainable(), resources=study.resources, cache=tmp_path)
    ended = run_study(make_experiment(study), store, executor, QuietDisplay())
    assert ended.ran == total
    found = standing(store, study.study)
    assert recorded(found) == f"{study.study}: {total} of {total} trials recorded, 0 failed"
    queue = make_experiment(study).queue(store, adopt=False)
    assert [cell.best for cell in found.cells] == pytest.approx([cell.best for cell in queue.progress()])
    plan = read_plan(store.study(study.study))
    tried = searched(store.table(study.study), plan)
    assert {len(settings) for settings in tried.values()} == {TRIED * (4 if study.seeds.nested else 2)}
    assert {setting.state for settings in tried.values() for setting in settings} == {"completed"}
    assert {row["parameters"] for row in cells_view(store.table(study.study), plan).to_pylist()} == {None}


def test_each_repeat_has_its_own_search_seeds_and_its_share_of_the_confirm_seeds() -> None:
    queue = make_queue(repeated())
    assert queue.owed() == ARMS * (TRIED * 2 + len(SEEDS))
    run_in_any_order(queue)
    for cell in queue.cells:
        best = []
        for number, seed in enumerate((10, 11)):
            tried = [trial for setting in cell.searches[number].proposed for trial in setting.trials]
            assert {trial.seed for trial in tried} == {seed}
            best.append(max(tried, key=lambda trial: queue.known[trial.id].value or 0.0).parameters["optim.lr"])
        assert best[0] != best[1]
        assert [trial.seed for trial in cell.confirm] == list(SEEDS)
        assert [trial.parameters["optim.lr"] for trial in cell.confirm] == [best[0], best[1], best[0], best[1]]


def test_one_repeat_is_what_was_before() -> None:
    plain, once = make_queue(study_of({"search": [10, 11]})), make_queue(repeated(repeats=1))
    assert [cell.id for cell in plain.cells] == [cell.id for cell in once.cells]
    assert [record.trial_id for record in run_in_any_order(plain)] == [
        record.trial_id for record in run_in_any_order(once)
    ]


def test_a_repeat_without_a_setting_leaves_its_cell_without_a_result() -> None:
    queue = make_queue(repeated())
    while (trial := queue.next()) is not None:
        failed = {"status": "failed", "metrics": {}} if (trial.arm, trial.seed) == ("naive", 11) else {}
        queue.record(run_lucky(trial).model_copy(update=failed))
    assert {cell.cell.arm: cell.state for cell in queue.cells} == {
        "plain": "done",
        "naive": "failed",
        "tokens": "done",
    }
