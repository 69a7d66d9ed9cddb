"""Tasks under one seed: blocks of task and seed, or of a seed (`comparisons.blocks`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ablative.analysis.numbers.same_seed import correlation
from ablative.analysis.numbers.same_seed import moves_together
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.pairing import ALL_TASKS
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.grids import BLOCKS
from ablative.analysis.views.contrasts import contrasts_view
from ablative.analysis.views.effects import pooled_comparisons
from ablative.analysis.views.effects import primary_rows
from ablative.analysis.views.same_seed import same_seed_line
from ablative.orchestrator.storing.records import Record
from same_seed import judged
from same_seed import values_of
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

BY_SEED = {"blocks": "seed"}


def plan_of(study: StudyResults, **comparisons: Any) -> StudyPlan:
    stored = study.stored()
    return read_plan({**stored, "comparisons": {**stored["comparisons"], **comparisons}})


def row_of(study: StudyResults, **comparisons: Any) -> dict[str, Any]:
    rows = primary_rows(study.table(), plan_of(study, **comparisons))
    return next(row for row in rows if row["arm"] == "clip_td")


def test_a_seed_is_one_pair_whose_difference_is_the_mean_over_its_tasks() -> None:
    study = StudyResults(effect={"clip_td": 0.02})
    apart, joined = row_of(study), row_of(study, **BY_SEED)
    assert (apart["n_pairs"], joined["n_pairs"]) == (12, 6)
    assert joined["difference"] == pytest.approx(apart["difference"])
    by_block, by_seed = (
        next(item for item in pooled_comparisons(observe(study.table(), plan), plan) if item.arm == "clip_td")
        for plan in (plan_of(study), plan_of(study, **BY_SEED))
    )
    assert by_seed.differences == pytest.approx(np.reshape(by_block.differences, (2, 6)).mean(axis=0).tolist())
    assert joined["verdict"] == "not enough seeds"  # three comparisons need seven pairs
    assert row_of(study, **BY_SEED, correction="max_t")["verdict"] == "better"


def test_every_two_arms_are_compared_in_the_same_blocks() -> None:
    study = StudyResults()
    rows = contrasts_view(study.table(), plan_of(study, **BY_SEED)).to_pylist()
    assert {row["n_pairs"] for row in rows if row["family"] == "pooled"} == {6}


def test_a_seed_without_one_of_its_tasks_is_lost() -> None:
    study = StudyResults(confirm=tuple(range(1, 10)), effect={"clip_td": 0.05})

    def fail(record: Record) -> Record:
        gone = (record.phase, record.arm, record.seed, record.task) == ("confirm", "clip_td", 2, "vqa")
        return as_failed(record) if gone else record

    plan = plan_of(study, **BY_SEED)
    item = next(item for item in pooled_comparisons(observe(study.table(fail), plan), plan) if item.arm == "clip_td")
    assert (len(item.differences), item.failed) == (8, 2)
    assert [pair.block for pair in item.lost] == [(ALL_TASKS, 2)]
    assert item.lost[0].most > 0


def test_the_note_says_what_a_block_is() -> None:
    assert "one task under one seed" in BLOCKS["task_and_seed"]
    assert "one seed; its value is the mean over all tasks" in BLOCKS["seed"]


@pytest.mark.parametrize("tasks", [2, 3])
def test_seeds_keep_their_coverage_where_tasks_move_together_and_tasks_and_seeds_do_not(tasks: int) -> None:
    values = values_of(tasks, 6, 0.5, 0.0, 2000, np.random.default_rng(1))
    assert judged(values.reshape(2000, -1))["coverage"] < 0.9
    assert judged(values.mean(axis=1))["coverage"] == pytest.approx(0.95, abs=0.015)
    assert judged(values.mean(axis=1))["false_positives"] < 0.06


@pytest.mark.slow
def test_a_correlation_is_found_again_and_its_test_holds_its_level() -> None:
    rng = np.random.default_rng(2)
    many = values_of(3, 12, 0.6, 0.0, 200, rng)
    assert correlation(many) == pytest.approx(0.6, abs=0.05)
    null = [moves_together(rng.normal(size=(3, 2, 6)), rng) <= 0.05 for _ in range(200)]
    assert sum(null) <= 20
    assert moves_together(many[:3], rng) <= 0.05
    assert correlation(np.ones((2, 2, 5))) is None


def moving(record: Record) -> Record:
    """The arm clip_td gains with the seed, in all tasks alike."""
    if record.phase != "confirm" or record.arm != "clip_td":
        return record
    more = 0.1 * (record.seed % 4)
    return record.model_copy(update={"metrics": {name: value + more for name, value in record.metrics.items()}})


def test_the_answer_says_where_tasks_move_together_and_what_counts_then() -> None:
    study = StudyResults(arms=("no_distillation", "clip_td"), control="")
    table, plan = study.table(moving), plan_of(study)
    line = same_seed_line(observe(table, plan), plan)
    assert line.startswith("Differences of two tasks under one seed move together (correlation 0.9")
    assert "`comparisons.blocks: seed`" in line
    assert same_seed_line(observe(table, plan), plan_of(study, **BY_SEED)) == ""
    assert same_seed_line(observe(study.table(), plan), plan) == ""
