"""SQL over the views, and what it must not reach."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ablative import analysis
from ablative.analysis import QueryError
from ablative.analysis import Results
from ablative.analysis.views.named_queries import named_queries
from ablative.analysis.views.named_queries import sql_of
from ablative.analysis.views.query import run_query


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

    rows = results.answer(sql).to_pylist()

    assert rows[0].keys() == {"arm", "data_fraction", "mean", "ci_low", "ci_high"}


def test_views_can_be_joined_and_metrics_are_quoted_columns(results: Results) -> None:
    sql = """select t.arm, count(*) as points, max(t."test/accuracy") as best
             from trials t join curves c using (trial_id)
             where t.counts and t.phase = 'confirm' group by 1 order by 1"""

    rows = results.answer(sql).to_pylist()

    assert [row["points"] for row in rows] == [4 * 13, 4 * 14, 4 * 14]


@pytest.mark.parametrize("name", named_queries())
def test_every_named_query_says_what_it_answers_and_runs(results: Results, name: str) -> None:
    assert named_queries()[name].endswith(".")
    results.answer(sql_of(name))


@pytest.mark.parametrize("name", ["contrasts", "factors"])
def test_a_named_query_of_contrasts_makes_only_those_that_it_shows(store_uri: str, name: str) -> None:
    loaded = analysis.load(store_uri, "small")

    shown = loaded.answer(sql_of(name)).to_pylist()

    assert "contrasts" not in vars(loaded)
    primary = "family = 'pooled' and is_headline"
    expected = loaded.answer(f"select * from contrasts where {primary}")
    assert loaded.answer("select * from primary_contrasts").equals(expected)
    kind = "=" if name == "contrasts" else "<>"
    assert len(shown) == loaded.answer(f"from contrasts where {primary} and kind {kind} 'arms'").num_rows


def test_the_best_setting_of_each_cell_comes_with_its_seeds_and_trials(results: Results) -> None:
    rows = results.answer(sql_of("best")).to_pylist()

    assert len(rows) == len({(row["arm"], row["condition"]) for row in rows}) == 6
    for row in rows:
        assert row["n"] == len(row["trial_ids"]) > 1
        assert row["ci_low"] < row["mean"] < row["ci_high"]
        assert "lr" in row["parameters"]


def test_studies_and_cells_agree_with_the_trials(results: Results) -> None:
    (study,) = results.answer("select * from studies").to_pylist()
    (counted,) = results.answer(
        """select count(*) filter (status = 'completed') as completed, count(*) filter (status = 'failed') as failed
           from (select distinct trial_id, status from trials where counts)""",
    ).to_pylist()
    assert (study["completed"], study["failed"]) == (counted["completed"], counted["failed"])
    cells = results.answer("select sum(confirm_recorded) as confirm from cells").to_pylist()
    confirm = results.answer("select count(*) as n from trials where counts and phase = 'confirm'").to_pylist()
    assert cells[0]["confirm"] == confirm[0]["n"]


def test_failures_have_their_last_line_and_costs_leave_out_what_others_paid(results: Results) -> None:
    failures = results.answer("select * from failures").to_pylist()
    assert failures
    assert all(row["cause"] != "none" and "\n" not in row["error"] for row in failures)
    (costs,) = results.answer("select sum(trials)::bigint as n from costs").to_pylist()
    (own,) = results.answer("select count(*) as n from trials where source_study = ''").to_pylist()
    assert costs["n"] == own["n"]


@pytest.mark.parametrize("sql", ["describe trials", "summarize effects", "from curves limit 1", "explain select 1",
                                 "with a as (select 1 as x) select * from a",
                                 "pivot trials on arm using count(*) group by phase"])  # fmt: skip
def test_every_kind_of_reading_statement_is_allowed(results: Results, sql: str) -> None:
    assert results.answer(sql).num_rows > 0


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
        "prepare x as select 1",
        "call enable_logging()",
        "checkpoint",
        "load httpfs",
        "export database 'copy'",
        "select * from query('select * from read_text(''/etc/hostname'')')",
        "select * from duckdb_secrets()",
        "select getenv('HOME')",
        "with x as (copy (select 1) to 'y.csv') select 1",
        "select 1; select 2",
        "-- nothing",
        "select * from views",
    ],
)
def test_writing_files_settings_and_variables_are_refused(results: Results, sql: str) -> None:
    with pytest.raises(QueryError, match="SQL: "):
        results.answer(sql)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select acuracy from trials", """no column 'acuracy' in trials; the nearest: "test/accuracy","""),
        ("select optim.lr from trials", """no column 'optim' in trials; the nearest: "optim.lr", with the double q"""),
        ("select vedict from effects", "no column 'vedict' in effects; the nearest: verdict;"),
        ("select t.cauze from failures t", "no column 'cauze' in failures; the nearest: cause; `ablate query STUDY "),
        ("select zzzzzz from costs", "no column 'zzzzzz' in costs; `ablate query STUDY \"describe costs\"` lists"),
        ("select * from efects", "no view 'efects'; the nearest is effects; views: studies, trials, "),
    ],
)  # fmt: skip
def test_a_misspelt_column_or_view_is_answered_with_the_nearest(results: Results, sql: str, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        results.answer(sql)

    assert f"SQL: {said}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_explained_must_be_a_question_too(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = ("copy (select 1) to '.tmp/y.csv'", "(copy (select 1) to '.tmp/y.csv')", "drop view trials")
    for statement in (*written, "create table x as select 1"):
        for explain in ("explain", "explain analyze", "/* a */ EXPLAIN -- b\n analyze", "explain (analyze)"):
            with pytest.raises(QueryError, match="SQL: "):
                results.answer(f"{explain} {statement}")
    assert results.answer("explain analyze select count(*) from trials").num_rows == 1

    assert list(tmp_path.rglob("*")) == []


def test_no_folder_is_open_to_sql_not_even_for_temporary_files(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hidden = tmp_path / ".tmp"
    hidden.mkdir()
    (hidden / "secret.csv").write_text("word\nabracadabra\n")
    for reader in ("read_csv", "read_text", "read_blob", "glob"):
        with pytest.raises(QueryError, match="only the views can be read"):
            results.answer(f"select * from {reader}('{hidden}/secret.csv')")


def test_a_statement_without_end_is_interrupted(results: Results) -> None:
    endless = "select sum(a.range * b.range) from range(100000000) a, range(100000000) b"

    with pytest.raises(QueryError, match=r"no answer after 0\.2 s; .*--timeout SECONDS"):
        results.answer(endless, timeout=0.2)
    with pytest.raises(QueryError, match=r"no answer after 0\.2 s"):  # its rows come, and do not end
        results.answer(
            "select a.range from range(100000000) a, range(100000000) b where a.range < -b.range", timeout=0.2
        )


def test_a_statement_without_bound_is_told_that_it_takes_too_much_memory(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablative.analysis.views.sql.MEMORY_GB", 0.02)
    with pytest.raises(QueryError, match=r"needs more than 0\.02 GB of memory; .*aggregate"):
        results.answer("select list(range) from range(100000000)")
    with pytest.raises(QueryError, match=r"answer has more than 0\.02 GB; .*aggregate"):
        results.answer("select range from range(100000000)")


def test_parquet_is_a_parquet_file(store_uri: str) -> None:
    answer = run_query(store_uri, "small", "select arm, seed from trials order by all", "parquet")

    assert pq.read_table(io.BytesIO(answer)).column_names == ["arm", "seed"]
