"""Failures that are not random: a verdict that rests on them says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablative import analysis
from ablative.analysis.pairing.losses import losses_of
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.grids import AT_WORST
from ablative.analysis.showing.grids import legend
from ablative.analysis.showing.grids import mark_of
from ablative.analysis.showing.grids import pooled_grid
from ablative.analysis.showing.tables import results_table
from ablative.analysis.views.claims import claims_view
from ablative.analysis.views.contrasts import contrasts_view
from ablative.analysis.views.effects import effects_view
from ablative.analysis.views.effects import pooled_comparisons
from ablative.analysis.views.sequential import clear_arms
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

CLAIMS = {"gain": {"arm": "clip_td", "against": "no_distillation"}}
COMPARISONS = {"correction": "holm", "alpha": 0.05, "claims": CLAIMS}
WEAK = StudyResults(effect={"clip_td": 0.004}, noise=0.012, comparisons=COMPARISONS)
"""Twelve blocks, in some of which clip_td is worse."""
Keep = Callable[[Record], Record | None]


def worst_blocks(study: StudyResults, count: int) -> set[tuple[str, int]]:
    """Tasks and seeds in which clip_td is least ahead of the reference."""
    values = {
        (r.arm, r.task, r.seed, r.data_fraction): r.metrics["test/accuracy"]
        for r in study.records()
        if r.phase == "confirm"
    }
    ahead: dict[tuple[str, int], float] = {}
    for (arm, task, seed, fraction), value in values.items():
        if arm == "clip_td":
            gain = value - values["no_distillation", task, seed, fraction]
            ahead[task, seed] = ahead.get((task, seed), 0.0) + gain
    return set(sorted(ahead, key=ahead.__getitem__, reverse=study.mode == "min")[:count])


def losing(blocks: set[tuple[str, int]], *, arm: str = "clip_td", instead: Callable[[Record], Record | None]) -> Keep:
    """One trial of each block, under the least data, ends as `instead` says."""

    def keep(record: Record) -> Record | None:
        lost = record.phase == "confirm" and record.arm == arm and record.data_fraction == 0.01
        return instead(record) if lost and (record.task, record.seed) in blocks else record

    return keep


def effect(study: StudyResults, keep: Keep = lambda record: record, **changes: Any) -> dict[str, Any]:
    rows = effects_view(study.table(keep), read_plan({**study.stored(), **changes})).to_pylist()
    (row,) = (r for r in rows if r["is_headline"] and r["family"] == "pooled" and r["arm"] == "clip_td")
    return dict(row)


def test_a_difference_that_failures_of_the_worst_trials_make_would_not_hold() -> None:
    whole = effect(WEAK)
    assert (whole["verdict"], whole["verdict_if_worst"]) == ("no difference shown",) * 2

    keep = losing(worst_blocks(WEAK, 4), instead=as_failed)
    row = effect(WEAK, keep)

    assert (row["verdict"], row["n_pairs"], row["failed"]) == ("better", 8, 4)
    assert row["verdict_if_worst"] == "no difference shown"
    plan, table = read_plan(WEAK.stored()), WEAK.table(keep)
    (claim,) = claims_view(table, plan).to_pylist()
    assert (claim["verdict"], claim["verdict_if_worst"]) == ("better", "no difference shown")
    found = {row["contrast"]: row for row in contrasts_view(table, plan).to_pylist() if row["is_headline"]}
    contrast = found["clip_td - no_distillation"]
    assert contrast["verdict_if_worst"] != "better"


@pytest.mark.parametrize(("mode", "effect_of_it"), [("max", -0.012), ("min", 0.012)])
def test_failures_that_hide_a_harm_leave_no_plain_sign_of_no_difference(mode: str, effect_of_it: float) -> None:
    study = StudyResults(effect={"clip_td": effect_of_it}, noise=0.012, comparisons=COMPARISONS, mode=mode)
    assert effect(study)["verdict"] == "worse"

    keep = losing(worst_blocks(study, 3), instead=as_failed)
    row = effect(study, keep)

    assert (row["verdict"], row["verdict_if_worst"]) == ("no difference shown", "worse")
    assert mark_of(row) == "(=)"


def test_one_failure_hides_no_difference_where_nothing_is_near_one() -> None:
    for block in worst_blocks(WEAK, 12):
        row = effect(WEAK, losing({block}, instead=as_failed))
        assert (row["verdict"], row["verdict_if_worst"]) == ("no difference shown",) * 2


def test_too_few_seeds_say_nothing_that_lost_ones_could_change() -> None:
    study = StudyResults(effect={"clip_td": 0.05}, confirm=(1, 2, 3))

    row = effect(study, losing({("vqa", 3)}, instead=as_failed))

    assert (row["verdict"], row["verdict_if_worst"]) == ("not enough seeds",) * 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_completed_trial_without_a_finite_value_is_lost_too(value: float) -> None:
    def diverged(record: Record) -> Record:
        return record.model_copy(update={"metrics": {**record.metrics, "test/accuracy": value}})

    row = effect(WEAK, losing(worst_blocks(WEAK, 4), instead=diverged))

    assert (row["verdict"], row["verdict_if_worst"]) == ("better", "no difference shown")


def test_trials_that_are_not_run_yet_are_missing_and_imputed_nowhere() -> None:
    row = effect(WEAK, losing(worst_blocks(WEAK, 4), instead=lambda record: None))

    assert (row["verdict"], row["verdict_if_worst"], row["missing"], row["failed"]) == ("better", "better", 4, 0)


def test_the_failures_of_the_reference_count_as_well() -> None:
    row = effect(WEAK, losing(worst_blocks(WEAK, 4), arm="no_distillation", instead=as_failed))

    assert (row["verdict"], row["verdict_if_worst"]) == ("better", "no difference shown")


def test_a_difference_that_one_failure_cannot_undo_holds() -> None:
    study = StudyResults(effect={"clip_td": 0.05})

    row = effect(study, losing({("vqa", 3)}, instead=as_failed))

    assert (row["n_pairs"], row["verdict"], row["verdict_if_worst"]) == (11, "better", "better")


def test_without_failures_every_verdict_holds() -> None:
    for view in (effects_view, contrasts_view, claims_view):
        rows = view(WEAK.table(), read_plan(WEAK.stored())).to_pylist()
        assert rows and all(row["verdict_if_worst"] == row["verdict"] for row in rows)


def test_where_less_is_better_the_worst_is_upwards() -> None:
    study = StudyResults(effect={"clip_td": -0.004}, noise=0.012, mode="min", random_seed=2)

    row = effect(study, losing(worst_blocks(study, 4), instead=as_failed))

    assert row["difference"] < 0
    assert (row["verdict"], row["verdict_if_worst"]) == ("better", "no difference shown")


def test_a_lost_pair_counts_as_the_greatest_difference_seen_under_one_seed_of_its_condition() -> None:
    keep = losing({("vqa", 3)}, instead=as_failed)
    plan, observations = read_plan(WEAK.stored()), observe(WEAK.table(keep), read_plan(WEAK.stored()))
    losses = losses_of(observations, "test/accuracy", plan.arms, plan.conditions)
    label = "task.name=vqa, task.data_fraction=0.01"
    by_seed: dict[int, list[float]] = {}
    for record in WEAK.table(keep).to_pylist():
        if (record["task"], record["data_fraction"], record["phase"], record["status"]) == (
            "vqa",
            0.01,
            "confirm",
            "completed",
        ):
            by_seed.setdefault(record["seed"], []).append(dict(record["metrics"])["test/accuracy"])

    assert losses.seeds == {("clip_td", label): frozenset({3})}
    assert losses.spreads[label] == max(max(found) - min(found) for found in by_seed.values())


def test_seeds_that_an_arm_was_spared_at_a_look_are_not_lost() -> None:
    stored = WEAK.stored()
    cells = [{**cell, "confirm_total": 4 if cell["arm"] == "clip_td" else 6} for cell in stored["cells"]]

    def keep(record: Record) -> Record | None:
        if record.phase != "confirm" or record.seed <= 4:
            return record
        return None if record.arm == "clip_td" else as_failed(record)

    row = effect(WEAK, keep, cells=cells)

    assert row["n_pairs"] == 8 and row["failed"] == 0
    assert row["verdict_if_worst"] == row["verdict"]


def test_a_mark_stands_in_brackets_where_the_verdict_would_not_hold() -> None:
    table, plan = WEAK.table(losing(worst_blocks(WEAK, 4), instead=as_failed)), read_plan(WEAK.stored())
    rows = effects_view(table, plan).to_pylist()
    primary = [row for row in rows if row["is_headline"] and row["family"] == "pooled"]

    (line,) = (line for line in pooled_grid(rows, plan).rows if line[0] == "clip_td")

    assert line[-1] == "better\nat worst: no difference shown"
    assert mark_of(next(row for row in primary if row["arm"] == "clip_td")) == "(▲)"
    assert "in brackets: verdicts that would change if the failed trials had had the worst values" in legend(
        primary, plan
    )


def test_a_look_ends_no_arm_whose_difference_rests_on_failures() -> None:
    seeds = {"search": [0], "confirm": list(range(1, 13)), "sequential": {"looks": [9]}}
    study = StudyResults(arms=("base", "arm"), conditions={}, effect={"arm": 0.05}, confirm=range(1, 13), control="")
    stored = {**study.stored(), "seeds": seeds}
    for cell in stored["cells"]:
        cell["confirm_total"] = 9
    names = {cell["arm"]: cell["name"] for cell in stored["cells"]}
    base = {seed: {"test/accuracy": 0.5} for seed in range(1, 10)}
    ahead = {seed: {"test/accuracy": 0.5 + 0.001 * seed} for seed in range(1, 10)}
    assert clear_arms(stored, {names["base"]: base, names["arm"]: ahead}) == {"arm"}
    lost = {seed: value for seed, value in ahead.items() if seed not in (1, 2)}
    assert clear_arms(stored, {names["base"]: base, names["arm"]: lost}) == set()


def test_the_worst_case_is_corrected_for_all_comparisons_of_the_family() -> None:
    """The others' lost pairs count as the worst too, and none of them where there is no correction."""
    keep = losing(worst_blocks(WEAK, 4), arm="no_distillation", instead=as_failed)
    plan = read_plan({**WEAK.stored(), "comparisons": {"correction": "none"}})
    observations = observe(WEAK.table(keep), plan)
    compared = [item for item in pooled_comparisons(observations, plan) if item.arm != plan.reference]

    together = [(one.p_value, one.verdict, one.if_worst) for one in judge(compared, plan, has_merit=True)]
    alone = [judge([item], plan, has_merit=True)[0] for item in compared]

    assert together == [(one.p_value, one.verdict, one.if_worst) for one in alone]
    assert all(len(item.lost) == 4 and len(item.differences) == 8 for item in compared)


def test_table_and_answer_say_that_a_difference_rests_on_failures(tmp_path: Path) -> None:
    WEAK.write(str(tmp_path), losing(worst_blocks(WEAK, 4), instead=as_failed))

    table = results_table(analysis.load(str(tmp_path)), "lowshot")

    assert AT_WORST in table and "at worst: no" in table
    assert "had the failed trials been worst, the verdict would be: no difference shown" in table
    assert AT_WORST not in results_table(analysis.load(WEAK.write(str(tmp_path / "whole")).uri), "lowshot")


def test_the_answer_says_where_failures_may_hide_a_difference(tmp_path: Path) -> None:
    study = StudyResults(effect={"clip_td": -0.012}, noise=0.012)
    study.write(str(tmp_path), losing(worst_blocks(study, 3), instead=as_failed))

    table = results_table(analysis.load(str(tmp_path)), "lowshot")

    assert "had the failed trials been worst, the verdict would be: worse" in table
    assert AT_WORST in table and "at worst: worse" in table
