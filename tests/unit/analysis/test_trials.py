"""The view of trials."""

from __future__ import annotations

import json
import math

import pyarrow as pa

from ablative.analysis.trials import decoded
from ablative.orchestrator.storing.flat_trials import trials_view
from ablative.orchestrator.storing.flat_trials import typed_column
from ablative.orchestrator.storing.records import record_table
from tests.helpers.results import make_record


def test_metrics_conditions_and_parameters_are_columns_named_by_their_path() -> None:
    first = make_record(
        trial_id="a",
        condition={"task.name": '"vqa"', "task.data_fraction": "0.05"},
        parameters={"optim.lr": "0.0003", "optim.epochs": "8"},
        metrics={"test/accuracy": 0.6},
    )
    second = make_record(trial_id="b", metrics={"test/accuracy": 0.5, "test/loss": 1.5})

    view = trials_view(record_table([first, second]), None)

    columns = ("task.name", "task.data_fraction", "optim.lr", "optim.epochs", "test/accuracy", "test/loss")
    assert [view[name].to_pylist() for name in columns] == [
        ["vqa", None],
        [0.05, None],
        [0.0003, None],
        [8, None],
        [0.6, 0.5],
        [None, 1.5],
    ]
    assert view.schema.field("optim.epochs").type == pa.int64()
    assert {"condition", "parameters", "metrics"}.isdisjoint(view.column_names)


def test_trials_outside_the_plan_are_kept_and_marked() -> None:
    records = record_table([make_record(trial_id="a"), make_record(trial_id="b")])

    assert trials_view(records, {"b"})["counts"].to_pylist() == [False, True]
    assert trials_view(records, None)["counts"].to_pylist() == [True, True]


def test_no_record_gives_an_empty_view_with_all_plain_columns() -> None:
    view = trials_view(record_table([]), None)

    assert view.num_rows == 0
    assert {"trial_id", "counts", "arm", "seed", "finished_at"} <= set(view.column_names)


def test_columns_take_the_narrowest_type_that_holds_all_values() -> None:
    assert typed_column([True, None]).type == pa.bool_()
    assert typed_column([1, None]).type == pa.int64()
    assert typed_column([1, 0.5]).to_pylist() == [1.0, 0.5]
    assert typed_column([1, "a", [1, 2], True]).to_pylist() == ["1", "a", "[1, 2]", "true"]
    assert typed_column([None]).type == pa.null()


def test_decoded_rows_hold_values_and_not_json() -> None:
    record = make_record(condition={"task.name": json.dumps("vqa")}, metrics={"test/accuracy": math.nan})

    row = decoded(record_table([record]))[0]

    assert row["condition"] == {"task.name": "vqa"}
    assert math.isnan(row["metrics"]["test/accuracy"])
    assert row["versions"] == {"torch": "2.13.0"}
