"""Sequential seeds: which arms get further confirm seeds, and what the table makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ablative.analysis.numbers.flip_intervals import flip_intervals
from ablative.analysis.numbers.max_t import local_levels
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


def test_under_looks_claims_are_corrected_by_max_t_too() -> None:
    """What ended was shown, so that at the last look `text` is alone, as among the primary comparisons."""
    claims = {name: {"arm": name, "against": "plain"} for name in ("naive", "text")}
    queue = queue_of(sequential_study(comparisons={**MAX_T, "claims": claims}))
    records = run_all(queue)
    table = placed(record_table([record for record in records if record.phase == "confirm"]), queue.plan())
    plan = read_plan(study_content(queue.study, ROLES, queue.plan()))
    rows = rows_of(queue, records)

    for claim in claims_view(table, plan).to_pylist():
        assert claim["p_corrected"] == rows[claim["claim"]]["p_corrected"]


@pytest.mark.parametrize(("at_least", "verdict"), [(1.0, "does not hold"), (0.05, "not decided")])
def test_a_claim_that_ended_at_a_look_costs_those_that_go_on_unless_it_was_shown(
    at_least: float, verdict: str
) -> None:
    more = {"arm": "naive", "against": "plain", "at_least": at_least}
    claims = {"gain": {"arm": "text", "against": "plain", "at_least": 0.03}, "more": more}
    queue = queue_of(sequential_study(comparisons={**MAX_T, "claims": claims}))
    table = placed(record_table([record for record in run_all(queue) if record.phase == "confirm"]), queue.plan())
    plan = read_plan(study_content(queue.study, ROLES, queue.plan()))
    gain, ended = claims_view(table, plan).to_pylist()
    alone = min(1.0, gain["p_value"] / plan.spent("text"))

    assert (gain["n_pairs"], ended["n_pairs"], ended["verdict"]) == (20, 10, verdict)
    if verdict == "not decided":
        assert gain["p_corrected"] > alone
    else:
        assert gain["p_corrected"] == pytest.approx(alone)


def test_with_a_margin_an_arm_that_is_equivalent_gets_no_further_seeds() -> None:
    """`text` gains nothing: once that is shown to within 0.04, seeds could only cost."""
    queue = queue_of(sequential_study(comparisons={"margin": 0.04}))
    rows = rows_of(queue, run_all(queue))

    assert confirmed(queue) == {"plain": 10, "naive": 10, "text": 10}
    assert rows["text"]["verdict"] == "equivalent"
    assert rows["text"]["p_equivalent"] <= 0.05
    assert confirmed(_run(sequential_study(comparisons={"margin": 0.0005})))["text"] == 20, "not decided"


def test_with_a_margin_looks_are_corrected_by_max_t_with_the_bound_of_what_ended_as_equivalent() -> None:
    queue = queue_of(sequential_study(comparisons={**MAX_T, "margin": 0.04}))
    row = rows_of(queue, run_all(queue))["naive"]
    plan = read_plan(study_content(queue.study, ROLES, queue.plan()))

    assert row["p_value"] <= row["p_corrected"] * plan.spent("naive") < 2 * row["p_value"]


def _run(study: Study) -> TrialQueue:
    queue = queue_of(study)
    run_all(queue)
    return queue


def run_changed(queue: TrialQueue, change: Callable[[Record], Record]) -> list[Record]:
    records = []
    while (trial := queue.next()) is not None:
        records.append(change(run_one(trial)))
        queue.record(records[-1])
    return records


def below_the_majority(*arms: str) -> Callable[[Record], Record]:
    """Say of these arms that the most frequent class would reach more."""

    def change(record: Record) -> Record:
        least = {f"{split}/majority_accuracy": 0.99 if record.arm in arms else 0.1 for split in ("val", "test")}
        return record.model_copy(update={"metrics": {**record.metrics, **least}})

    return change


def test_between_arms_that_have_learned_nothing_nothing_is_clear_at_a_look() -> None:
    queue = queue_of(sequential_study())
    records = run_changed(queue, below_the_majority("plain", "naive", "text"))
    assert confirmed(queue) == {"plain": 20, "naive": 20, "text": 20}
    assert {row["verdict"] for row in rows_of(queue, records).values()} == {"reference", "none has learned"}


def test_an_arm_that_has_learned_is_clear_beside_a_reference_that_has_not() -> None:
    queue = queue_of(sequential_study())
    run_changed(queue, below_the_majority("plain"))
    assert confirmed(queue)["naive"] == 10


def futile_study(**sequential: Any) -> Study:
    return sequential_study(
        comparisons={"correction": "holm", "margin": 0.03},
        seeds={"search": [0], "confirm": SEEDS, "sequential": {"looks": (10, 14), **sequential}},
    )


def noisy(record: Record) -> Record:
    """Scatter so much that neither a difference nor equivalence is shown after ten seeds; `text` gains nothing."""
    own = np.random.default_rng([record.seed, len(record.arm)]).normal(0, 0.05)
    gain = -0.05 if record.arm == "naive" else 0.0  # takes away what it has
    return record.model_copy(update={"metrics": {name: value + own + gain for name, value in record.metrics.items()}})


def test_an_arm_that_can_hardly_exceed_the_margin_gets_no_further_seeds_where_the_study_says_so() -> None:
    kept, given_up = queue_of(futile_study()), queue_of(futile_study(futility=0.2))
    run_changed(kept, noisy)
    records = run_changed(given_up, noisy)

    assert confirmed(kept)["text"] == 20 and confirmed(given_up)["text"] < 20
    row = rows_of(given_up, records)["text"]
    assert (row["verdict"], row["missing"]) == ("not decided", 0)


def test_an_arm_that_may_still_exceed_the_margin_goes_on_under_futility() -> None:
    queue = queue_of(futile_study(futility=0.05))
    run_changed(queue, lambda record: noisy(record) if record.arm != "naive" else record)
    given = confirmed(queue)
    assert given["naive"] >= 10 and given["plain"] == max(given.values())


def test_under_max_t_an_interval_is_that_of_the_look_at_which_its_comparison_ended() -> None:
    queue = queue_of(sequential_study(comparisons={"correction": "max_t"}, conditions={}))
    records = run_all(queue)
    row = rows_of(queue, records)["naive"]
    plan = read_plan(study_content(queue.study, ROLES, queue.plan()))
    found = {
        arm: {
            record.seed: record.metrics[plan.headline]
            for record in records
            if record.phase == "confirm" and record.arm == arm and record.seed in SEEDS[:10]
        }
        for arm in LISTED
    }
    samples = [{seed: found[arm][seed] - found["plain"][seed] for seed in SEEDS[:10]} for arm in ("naive", "text")]

    level = local_levels(samples, [0.05 * plan.spent("naive")] * 2, np.random.default_rng(0))[0]
    ((low, high),) = flip_intervals([list(samples[0].values())], [level], np.random.default_rng)  # type: ignore[misc]

    assert confirmed(queue)["naive"] == 10 == row["n_pairs"]
    assert (row["verdict_ci_low"], row["verdict_ci_high"]) == pytest.approx((max(low, 0.0), high))
