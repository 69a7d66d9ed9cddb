"""Sequential seeds: which arms get further confirm seeds, and what the table makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ablative.analysis.numbers.max_t import max_t
from ablative.analysis.plan import read_plan
from ablative.analysis.views.claims import claims_view
from ablative.analysis.views.effects import primary_rows
from ablative.analysis.views.sequential import clear_arms
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.storing.plan import placed
from ablative.orchestrator.storing.plan import study_content
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import record_table
from ablative.search_spaces.study import Study
from ablative.trainables.config import ROLES
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all
from tests.helpers.simulated import run_one

SEEDS = list(range(1, 21))
LISTED = {
    "plain": {},
    "naive": {"distillation.terms.image": 1.0},
    "text": {"distillation.terms.text": 1.0},
}
"""`naive` gains 0.05; `text` gains nothing."""


def sequential_study(looks: tuple[int, ...] = (10, 14), **changes: Any) -> Study:
    sections = {
        "comparisons": {"correction": "holm"},
        "arms": {"listed": LISTED},
        "seeds": {"search": [0], "confirm": SEEDS, "sequential": {"looks": looks}},
    }
    return make_study(**{**sections, **changes})


def queue_of(study: Study, records: list[Record] | None = None) -> TrialQueue:
    return make_queue(study, records or [], judge=clear_arms)


def confirmed(queue: TrialQueue) -> dict[str, int]:
    return {cell.cell.arm: len(cell.confirm) for cell in queue.cells}


def rows_of(queue: TrialQueue, records: list[Record]) -> dict[str, dict[str, Any]]:
    table = placed(record_table([record for record in records if record.phase == "confirm"]), queue.plan())
    return {row["arm"]: row for row in primary_rows(table, read_plan(study_content(queue.study, ROLES, queue.plan())))}


def test_an_arm_whose_comparison_is_clear_gets_no_further_seeds_and_the_others_do() -> None:
    queue = queue_of(sequential_study())
    run_all(queue)
    assert queue.done
    assert confirmed(queue) == {"plain": 20, "naive": 10, "text": 20}


def test_the_reference_stops_when_nothing_is_left_to_compare() -> None:
    listed = {name: LISTED[name] for name in ("plain", "naive")}
    queue = queue_of(sequential_study(arms={"listed": listed}))
    run_all(queue)
    assert confirmed(queue) == {"plain": 10, "naive": 10}


def test_the_plan_says_what_is_owed_at_least_and_at_most() -> None:
    queue = queue_of(sequential_study())
    owed, more = queue.owed(), queue.may_follow()
    assert owed == len(queue.cells) * (10 + 4)  # four settings are searched
    assert more == len(queue.cells) * 10
    assert owed < len(run_all(queue)) < owed + more
    assert (queue.owed(), queue.may_follow()) == (0, 0)


def test_the_table_corrects_for_the_looks_and_counts_nothing_as_missing() -> None:
    queue = queue_of(sequential_study())
    rows = rows_of(queue, run_all(queue))
    assert rows["naive"]["verdict"] == "better"
    assert rows["text"]["verdict"] == "no difference shown"
    assert {arm: row["n_pairs"] for arm, row in rows.items()} == {"plain": 0, "naive": 10, "text": 20}
    assert {row["missing"] for row in rows.values()} == {0}
    plan = read_plan(study_content(queue.study, ROLES, queue.plan()))
    assert rows["naive"]["p_corrected"] == pytest.approx(2 * rows["naive"]["p_value"] / plan.spent("naive"))
    assert plan.spent("naive") < 0.65


def test_a_study_of_one_look_is_as_it_was() -> None:
    listed = {"arms": {"listed": LISTED}, "comparisons": {"correction": "holm"}}
    study = make_study(**listed, seeds={"search": [0], "confirm": SEEDS})
    queue = make_queue(study)
    rows = rows_of(queue, run_all(queue))
    assert rows["naive"]["p_corrected"] == pytest.approx(2 * rows["naive"]["p_value"])
    assert queue.may_follow() == 0


def test_looks_go_on_from_records_and_run_nothing_twice() -> None:
    whole = run_all(queue_of(sequential_study()))
    for count in range(0, len(whole), 9):
        queue = queue_of(sequential_study(), whole[:count])
        rest = run_all(queue)
        assert {record.trial_id for record in whole[:count] + rest} == {record.trial_id for record in whole}
        assert len(rest) == len(whole) - count


def test_a_cell_without_a_result_holds_no_look_up() -> None:
    queue = queue_of(sequential_study())
    while (trial := queue.next()) is not None:
        record = run_one(trial)
        if trial.arm == "text" and trial.phase == "search":
            record = record.model_copy(update={"status": "failed", "cause": "trainable_error", "metrics": {}})
        queue.record(record)
    assert queue.done
    assert confirmed(queue)["naive"] == 10


MAX_T = {"correction": "max_t"}


def test_under_max_t_an_arm_that_ended_keeps_its_p_value_whatever_others_reach_later() -> None:
    """`naive` ends at the first look; what `text` and the reference do afterwards is not in its p-value."""
    queue = queue_of(sequential_study(comparisons=MAX_T))
    records = run_all(queue)
    row = rows_of(queue, records)["naive"]
    plan = read_plan(study_content(queue.study, ROLES, queue.plan()))
    values = {
        (record.arm, record.seed): record.metrics[plan.headline] for record in records if record.phase == "confirm"
    }
    at_the_look = [
        {seed: values[arm, seed] - values["plain", seed] for seed in SEEDS[:10]} for arm in ("naive", "text")
    ]

    assert confirmed(queue) == {"plain": 20, "naive": 10, "text": 20}
    assert row["verdict"] == "better"
    expected = max_t(at_the_look, np.random.default_rng(0))[0]
    assert row["p_corrected"] == pytest.approx(expected / plan.spent("naive"))


def test_under_max_t_what_ended_before_does_not_count_at_later_looks() -> None:
    queue = queue_of(sequential_study(comparisons=MAX_T))
    rows = rows_of(queue, run_all(queue))
    plan = read_plan(study_content(queue.study, ROLES, queue.plan()))

    assert rows["text"]["p_corrected"] == pytest.approx(min(1.0, rows["text"]["p_value"] / plan.spent("text")))


def test_under_looks_other_comparisons_than_the_primary_ones_are_corrected_by_holm() -> None:
    """They end with arms that were clear elsewhere, which max-T does not allow for."""
    claims = {name: {"arm": name, "against": "plain"} for name in ("naive", "text")}
    queue = queue_of(sequential_study(comparisons={**MAX_T, "claims": claims}))
    table = placed(record_table([record for record in run_all(queue) if record.phase == "confirm"]), queue.plan())
    plan = read_plan(study_content(queue.study, ROLES, queue.plan()))
    naive, text = claims_view(table, plan).to_pylist()

    assert naive["p_corrected"] == pytest.approx(2 * naive["p_value"] / plan.spent("naive"))
    assert text["p_corrected"] == pytest.approx(min(1.0, text["p_value"] / plan.spent("text")))


def test_with_a_margin_an_arm_that_is_equivalent_gets_no_further_seeds() -> None:
    """`text` gains nothing: once that is shown to within 0.04, seeds could only cost."""
    queue = queue_of(sequential_study(comparisons={"margin": 0.04}))
    rows = rows_of(queue, run_all(queue))

    assert confirmed(queue) == {"plain": 10, "naive": 10, "text": 10}
    assert rows["text"]["verdict"] == "equivalent"
    assert rows["text"]["p_equivalent"] <= 0.05
    assert confirmed(_run(sequential_study(comparisons={"margin": 0.0005})))["text"] == 20, "not decided"


def test_with_a_margin_looks_are_corrected_by_holm_as_not_only_what_is_shown_ends() -> None:
    queue = queue_of(sequential_study(comparisons={**MAX_T, "margin": 0.04}))
    row = rows_of(queue, run_all(queue))["naive"]
    plan = read_plan(study_content(queue.study, ROLES, queue.plan()))

    assert row["p_corrected"] == pytest.approx(2 * row["p_value"] / plan.spent("naive"))


def _run(study: Study) -> TrialQueue:
    queue = queue_of(study)
    run_all(queue)
    return queue
