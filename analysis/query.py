"""One SQL statement over the views of a store, in a DuckDB that can read nothing else."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds

from analysis.errors import QueryError
from analysis.formats import Format
from analysis.formats import render
from analysis.named_queries import named_queries
from analysis.named_queries import sql_of
from analysis.results import Results
from analysis.results import load

if TYPE_CHECKING:
    import duckdb

DEFAULT = "effects"
"""The named query that `ablate query STUDY` asks without SQL."""

_SETTINGS = (
    "set enable_external_access = false",  # no file, no network, no extension
    "set python_enable_replacements = false",  # a table is a view, never a variable of this program
    "set lock_configuration = true",  # last: nothing below can be changed back
)
_TABLES = {
    "studies": "studies_table",
    "trials": "parts_of_trials",
    "curves": "curves",
    "cells": "cells",
    "effects": "effects",
    "claims": "claims",
    "contrasts": "contrasts",
    "profiles": "profiles",
    "disagreements": "disagreements",
    "importance": "importance",
    "budgets": "budgets",
    "predictions": "predictions",
}
"""View -> attribute of `Results`."""
DERIVED = {
    "failures": """
        select study, cell, arm, phase, proposal, seed, cause, regexp_extract(trim(error), '[^\\n]*$') as error,
            attempts, seconds, host, trial_id
        from trials where counts and status = 'failed'""",
    "costs": """
        select study, arm, phase, status, count(*) as trials, sum(seconds) as seconds,
            sum(device_seconds) as device_seconds, sum(lost_seconds) as lost_seconds,
            sum(queued_seconds) as queued_seconds, sum(teacher_passes)::bigint as teacher_passes,
            sum(samples_seen)::bigint as samples_seen
        from trials where source_study = '' group by study, arm, phase, status""",
}
"""View -> its definition over `trials`. What another study has paid is no cost of this one."""
VIEWS = (*_TABLES, *DERIVED)


def run_query(
    uri: str,
    studies: Sequence[str] | str | None,
    sql: str | None,
    format: Format = "table",
    *,
    mixed: bool = False,
    say: Callable[[str], None] = lambda problem: None,
) -> bytes:
    """Answer `sql` over the studies in the store at `uri` as the bytes of `format`.

    `sql`: a statement, or the name of a query that comes with the program; `DEFAULT` if None. Text formats are UTF-8.
    `mixed` as in `analysis.load`. `say` is told what was left out, or mixed.

    Raises `QueryError` for SQL that is wrong or refused, `IncomparableError` for
    comparisons of unlike trials, `AnalysisError` for an unknown study.
    """
    asked = sql or DEFAULT
    results = load(uri, studies, mixed=mixed)
    answer = ask(results, sql_of(asked) if asked in named_queries() else asked)
    for problem in results.problems:
        say(problem)
    return render(answer, format)


def ask(results: Results, sql: str) -> pa.Table:
    """Answer one reading statement over the views of `VIEWS`."""
    import duckdb  # half a second that `import analysis` should not cost

    asked = {name for name in VIEWS if name in sql.lower()} or {"effects"}
    derived = {name: text for name, text in DERIVED.items() if name in asked}
    needed = asked | ({"trials"} if derived else set())
    views = {name: getattr(results, attribute) for name, attribute in _TABLES.items() if name in needed}
    with duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "1GB"}) as connection:
        for name, parts in views.items():
            _register(connection, name, parts if isinstance(parts, list) else [parts])
        for name, definition in derived.items():
            connection.execute(f"create view {name} as {definition}")
        for setting in _SETTINGS:
            connection.execute(setting)
        try:
            return connection.sql(_only_statement(connection, sql)).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(_refusal(str(error), sql, views)) from error


def _register(connection: duckdb.DuckDBPyConnection, name: str, parts: Sequence[pa.Table | ds.Dataset]) -> None:
    """Make a view of parts whose columns may differ: one that a part lacks is null there, differing types are text."""
    if len(parts) == 1:
        connection.register(name, parts[0])
        return
    for number, part in enumerate(parts):
        connection.register(f"{name}_{number}", part)
    union = " union all by name ".join(f"select * from {name}_{number}" for number in range(len(parts)))
    connection.execute(f"create view {name} as {union}")


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


def _refusal(message: str, sql: str, views: Mapping[str, pa.Table | list[pa.Table | ds.Dataset]]) -> str:
    columns = "\n".join(f"  {name}: {', '.join(map(_quoted, _columns_of(parts)))}" for name, parts in views.items())
    others = ", ".join(name for name in VIEWS if name not in views)
    also = f"\nOther views: {others}." if others else ""
    quoting = "Column names with `/` or `.` need double quotes."
    return f"SQL: {message.strip()}\nViews and their columns:\n{columns}{also}\n{quoting}"


def _columns_of(parts: pa.Table | list[pa.Table | ds.Dataset]) -> list[str]:
    tables = parts if isinstance(parts, list) else [parts]
    return list(dict.fromkeys(name for table in tables for name in table.schema.names))


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f'"{name}"'
