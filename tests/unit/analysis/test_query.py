"""SQL over the views, and what it must not reach."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest

import analysis
from analysis import QueryError
from analysis import Results
from analysis.named_queries import named_queries
from analysis.named_queries import sql_of
from analysis.query import ask
from analysis.query import run_query


@pytest.fixture(scope="module")
def results(store_uri: str) -> Results:
    return analysis.load(store_uri, "small")


def test_the_default_answers_with_the_headline_effects(store_uri: str) -> None:
    rows = json.loads(run_query(store_uri, "small", None, "json"))

    assert [row["condition"] for row in rows[:3]] == ["all conditions"] * 3
    assert {row["metric"] for row in rows} == {"test/accuracy"}
    assert len(rows) == 3 + 6


def test_the_documented_question_is_answered(results: Results) -> None:
    sql = "select arm, data_fraction, mean, ci_low, ci_high from effects where split = 'test' order by 1, 2"

    rows = ask(results, sql).to_pylist()

    assert rows[0].keys() == {"arm", "data_fraction", "mean", "ci_low", "ci_high"}


def test_views_can_be_joined_and_metrics_are_quoted_columns(results: Results) -> None:
    sql = """select t.arm, count(*) as points, max(t."test/accuracy") as best
             from trials t join curves c using (trial_id)
             where t.counts and t.phase = 'confirm' group by 1 order by 1"""

    rows = ask(results, sql).to_pylist()

    assert [row["points"] for row in rows] == [4 * 13, 4 * 14, 4 * 14]


@pytest.mark.parametrize("name", named_queries())
def test_every_named_query_says_what_it_answers_and_runs(results: Results, name: str) -> None:
    assert named_queries()[name].endswith(".")
    ask(results, sql_of(name))


def test_the_best_setting_of_each_cell_comes_with_its_seeds_and_trials(results: Results) -> None:
    rows = ask(results, sql_of("best")).to_pylist()

    assert len(rows) == len({(row["arm"], row["condition"]) for row in rows}) == 6
    for row in rows:
        assert row["n"] == len(row["trial_ids"]) > 1
        assert row["ci_low"] < row["mean"] < row["ci_high"]
        assert "lr" in row["parameters"]


def test_studies_and_cells_agree_with_the_trials(results: Results) -> None:
    (study,) = ask(results, "select * from studies").to_pylist()
    (counted,) = ask(
        results,
        """select count(*) filter (status = 'completed') as completed, count(*) filter (status = 'failed') as failed
           from (select distinct trial_id, status from trials where counts)""",
    ).to_pylist()
    assert (study["completed"], study["failed"]) == (counted["completed"], counted["failed"])
    cells = ask(results, "select sum(confirm_recorded) as confirm from cells").to_pylist()
    confirm = ask(results, "select count(*) as n from trials where counts and phase = 'confirm'").to_pylist()
    assert cells[0]["confirm"] == confirm[0]["n"]


def test_failures_have_their_last_line_and_costs_leave_out_what_others_paid(results: Results) -> None:
    failures = ask(results, "select * from failures").to_pylist()
    assert failures
    assert all(row["cause"] != "none" and "\n" not in row["error"] for row in failures)
    (costs,) = ask(results, "select sum(trials)::bigint as n from costs").to_pylist()
    (own,) = ask(results, "select count(*) as n from trials where source_study = ''").to_pylist()
    assert costs["n"] == own["n"]


@pytest.mark.parametrize("sql", ["describe trials", "summarize effects", "from curves limit 1", "explain select 1",
                                 "with a as (select 1 as x) select * from a",
                                 "pivot trials on arm using count(*) group by phase"])  # fmt: skip
def test_every_kind_of_reading_statement_is_allowed(results: Results, sql: str) -> None:
    assert ask(results, sql).num_rows > 0


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/hostname')",
        "select * from '/etc/hostname'",
        "select * from glob('/*')",
        "copy trials to 'stolen.csv'",
        "attach 'other.db'",
        "install httpfs",
        "create table x as select 1",
        "drop view trials",
        "delete from trials",
        "set enable_external_access = true",
        "pragma database_list",
        "select 1; select 2",
        "-- nothing",
        "select * from views",
    ],
)
def test_writing_files_settings_and_variables_are_refused(results: Results, sql: str) -> None:
    with pytest.raises(QueryError, match="SQL: "):
        ask(results, sql)


def test_a_wrong_column_is_answered_with_the_right_ones(results: Results) -> None:
    with pytest.raises(QueryError) as caught:
        ask(results, "select acuracy from trials")

    message = str(caught.value)
    assert "acuracy" in message
    assert '"test/accuracy"' in message
    assert (
        "Other views: studies, curves, cells, effects, claims, contrasts, profiles, disagreements, importance, "
        in message
    )


def test_parquet_is_a_parquet_file(store_uri: str) -> None:
    answer = run_query(store_uri, "small", "select arm, seed from trials order by all", "parquet")

    assert pq.read_table(io.BytesIO(answer)).column_names == ["arm", "seed"]
