"""Better or better tuned: the view `budgets`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from ablative.analysis.numbers.search_budget import expected_best
from ablative.analysis.plan import read_plan
from ablative.analysis.views.budgets import MOST
from ablative.analysis.views.budgets import budgets_view
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import record_table
from tests.helpers.results import as_failed
from tests.helpers.results import make_record

VALUES = (0.4, 0.7, 0.5, 0.6)


def search(arm: str, values: tuple[float, ...]) -> list[Record]:
    return [
        make_record(
            trial_id=f"{arm}-{number}",
            arm=arm,
            cell_id=arm,
            phase="search",
            proposal=number,
            seed=0,
            metrics={"val/accuracy": value},
        )
        for number, value in enumerate(values)
    ]


def rows_of(records: list[Record], mode: str = "max", sampler: str = "random") -> list[dict[str, Any]]:
    arms = dict.fromkeys(record.arm for record in records)
    plan = {
        "study": "lowshot",
        "target": {"metric": "val/accuracy", "mode": mode},
        "seeds": {"search": [0], "confirm": [1]},
        "search": {"sampler": sampler},
        "cells": [{"name": arm, "cell_id": arm, "arm": arm} for arm in arms],
    }
    return list(budgets_view(record_table(records), read_plan(plan)).to_pylist())


@pytest.mark.parametrize("mode", ["max", "min"])
def test_each_budget_has_the_expected_best_of_so_many_settings(mode: Any) -> None:
    rows = rows_of(search("clip_td", VALUES), mode)

    assert [row["budget"] for row in rows] == [1, 2, 3, 4]
    budgets = np.arange(1, 5)
    assert [row["expected"] for row in rows] == pytest.approx(expected_best(np.array(VALUES), budgets, mode))
    again = expected_best(np.array(VALUES), budgets, mode, replacement=True)
    assert [row["with_replacement"] for row in rows] == pytest.approx(again)
    assert {row["note"] for row in rows} == {""}


def test_an_arm_that_only_had_more_settings_is_not_ahead_at_the_same_budget() -> None:
    long, short = (stats.norm(0.5, 0.1).ppf((np.arange(n) + 0.5) / n) for n in (64, 8))
    rows = rows_of([*search("long", tuple(long)), *search("short", tuple(short))])
    best = {(row["arm"], row["budget"]): row["expected"] for row in rows}

    assert best["long", 64] > best["short", 8] + 0.05
    assert abs(best["long", 8] - best["short", 8]) < 0.02


def test_failed_settings_are_paid_for_and_stopped_ones_count_with_what_they_had() -> None:
    records = search("clip_td", VALUES)
    records[1] = as_failed(records[1])
    records[2] = records[2].model_copy(update={"status": "stopped", "cause": "halving"})

    rows = rows_of(records)

    assert (rows[0]["settings"], rows[0]["stopped"], rows[0]["failed"]) == (4, 1, 1)
    assert rows[0]["expected"] == pytest.approx(np.mean([0.4, 0.4, 0.5, 0.6]))
    assert "failed settings count as the worst seen" in rows[0]["note"]


def test_proposals_that_learn_from_each_other_are_said_to_be_no_independent_draws() -> None:
    assert "tpe" in rows_of(search("clip_td", VALUES), sampler="tpe")[0]["note"]


def test_a_cell_without_a_value_has_one_row_that_says_so() -> None:
    (row,) = rows_of([as_failed(record) for record in search("clip_td", VALUES[:2])])

    assert row["budget"] is None and row["failed"] == 2 and row["note"] == "no setting has a value"


def test_a_long_search_is_shown_at_a_limited_number_of_budgets_with_both_ends() -> None:
    rows = rows_of(search("clip_td", tuple(np.random.default_rng(0).normal(size=400))))

    assert len(rows) <= MOST
    assert (rows[0]["budget"], rows[-1]["budget"]) == (1, 400)
