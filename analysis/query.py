"""One SQL statement over the views of a store, in a DuckDB that can read nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from analysis.errors import QueryError
from analysis.formats import Format
from analysis.formats import render
from analysis.results import Results
from analysis.results import load

if TYPE_CHECKING:
    import duckdb

DEFAULT_SQL = """
select arm, condition, metric, n, mean, ci_low, ci_high, difference, diff_ci_low, diff_ci_high, p_corrected, verdict
from effects
where is_headline
"""
"""What `ablate query STUDY` asks without SQL: the effects on the headline metric, the primary comparisons first."""

_SETTINGS = (
    "set enable_external_access = false",  # no file, no network, no extension
    "set python_enable_replacements = false",  # a table is a view, never a variable of this program
    "set lock_configuration = true",  # last: nothing below can be changed back
)
_VIEWS = ("trials", "curves", "predictions", "effects")


def run_query(uri: str, studies: Sequence[str] | str | None, sql: str | None, format: Format = "table") -> bytes:
    """Answer `sql` (`DEFAULT_SQL` if None) over the studies in the store at `uri` as the bytes of `format`.

    Text formats are UTF-8. Raises `QueryError` for SQL that is wrong or refused, `AnalysisError` for an unknown
    study.
    """
    return render(ask(load(uri, studies), sql or DEFAULT_SQL), format)


def ask(results: Results, sql: str) -> pa.Table:
    """Answer one reading statement over the views `trials`, `curves`, `predictions` and `effects`."""
    import duckdb  # half a second that `import analysis` should not cost

    views = {name: getattr(results, name) for name in _VIEWS if name == "effects" or name in sql.lower()}
    with duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "1GB"}) as connection:
        for name, table in views.items():
            connection.register(name, table)
        for setting in _SETTINGS:
            connection.execute(setting)
        try:
            return connection.sql(_only_statement(connection, sql)).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(_refusal(str(error), sql, views)) from error


def _only_statement(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    import duckdb

    reading = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI}  # MULTI: pivot
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"SQL: {len(statements)} statements found in {sql!r}; give exactly one")
    if statements[0].type not in reading:
        kind = statements[0].type.name.lower()
        raise QueryError(f"SQL: a statement of kind {kind} found in {sql!r}; records are only read: give a select")
    return statements[0]


def _refusal(message: str, sql: str, views: Mapping[str, pa.Table]) -> str:
    columns = "\n".join(f"  {name}: {', '.join(map(_quoted, table.column_names))}" for name, table in views.items())
    others = ", ".join(name for name in _VIEWS if name not in views)
    also = f"\nOther views: {others}." if others else ""
    quoting = "Column names with `/` or `.` need double quotes."
    return f"SQL: {message.strip()}\nViews and their columns:\n{columns}{also}\n{quoting}"


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f'"{name}"'
