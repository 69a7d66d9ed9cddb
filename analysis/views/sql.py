"""SQL in a DuckDB that reads only its views, in limited time and memory."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import TypeAlias

import pyarrow as pa
import pyarrow.dataset as ds

from ablative.analysis.errors import QueryError
from ablative.search_spaces.nearest import nearest

if TYPE_CHECKING:
    import duckdb

Part: TypeAlias = "pa.Table | ds.Dataset"
"""Rows of a view, in memory or in files of which only the needed part is read."""

TIMEOUT = 60.0
"""Time limit of a statement, in seconds."""
MEMORY_GB = 2
"""Memory limit of a statement, and of its answer."""

_SETTINGS = (
    "set temp_directory = ''",  # otherwise files below it would stay open to SQL
    "set enable_external_access = false",  # no file, no network, no extension
    "set python_enable_replacements = false",  # a table is a view, never a variable of this program
    "set lock_configuration = true",  # last: nothing below can be changed back
)
_NEAR = 3
"""Columns to suggest for an unknown one."""
_COLUMN = re.compile(r'Referenced (?:column|table) "(.+?)" not found|does not have a column named "(.+?)"')
_FIELD = re.compile(r"Cannot extract field '(.+?)' from expression \"(.+?)\"")
"""`task.name` without quotes, if there is also a column `task`."""
_VIEW = re.compile(r"Table with name (.+?) does not exist")


def named_in(sql: str, views: Sequence[str]) -> list[str]:
    """Return those of `views` whose names occur in `sql`."""
    words = set(re.findall(r"\w+", sql.lower()))
    return [view for view in views if view in words]


def answered(
    sql: str,
    views: Mapping[str, Sequence[Part]],
    definitions: Mapping[str, str],
    *,
    known: Sequence[str],
    timeout: float = TIMEOUT,
) -> pa.Table:
    """Answer one read-only statement over `views`, and over views that `definitions` derive from them.

    `known`: all views that a statement may name. Raises `QueryError` for a statement that is wrong, does anything but
    read, or takes more than `timeout` seconds or `MEMORY_GB`.
    """
    import duckdb  # half a second that `import analysis` should not take

    with duckdb.connect(":memory:", config={"threads": 2, "memory_limit": f"{MEMORY_GB}GB"}) as connection:
        for name, parts in views.items():
            _register(connection, name, parts)
        for name, definition in definitions.items():
            connection.execute(f"create view {name} as {definition}")
        for setting in _SETTINGS:
            connection.execute(setting)
        try:
            statement = _only_statement(connection, sql)
            with _limited(connection, timeout):
                return _fetched(connection.sql(statement))
        except (duckdb.Error, pa.ArrowException, OSError) as error:  # the last two occur while rows arrive
            columns = {name: connection.table(name).columns for name in named_in(sql, known)}
            raise QueryError(f"SQL: {_refusal(error, columns, known, timeout)}") from error


@contextmanager
def _limited(connection: duckdb.DuckDBPyConnection, timeout: float) -> Iterator[None]:
    timer = threading.Timer(timeout, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _fetched(answer: duckdb.DuckDBPyRelation) -> pa.Table:
    reader = pa.RecordBatchReader.from_stream(answer)
    batches, size = [], 0
    for batch in reader:  # DuckDB does not count the memory of its results
        batches.append(batch)
        size += batch.nbytes
        if size > MEMORY_GB * 1_000_000_000:
            raise QueryError(f"SQL: the answer has more than {MEMORY_GB} GB; {_LESS}")
    return pa.Table.from_batches(batches, reader.schema)


_LESS = "select fewer columns, filter, or aggregate"


def _register(connection: duckdb.DuckDBPyConnection, name: str, parts: Sequence[Part]) -> None:
    """Make a view of parts whose columns may differ: a missing column is null there, differing types become text."""
    if len(parts) == 1:
        connection.register(name, parts[0])
        return
    for number, part in enumerate(parts):
        connection.register(f"{name}_{number}", part)
    union = " union all by name ".join(f"select * from {name}_{number}" for number in range(len(parts)))
    connection.execute(f"create view {name} as {union}")


def _only_statement(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"SQL: {len(statements)} statements found in {sql!r}; give exactly one")
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:  # `explain analyze` runs the statement
        kind = _explained(connection, sql)
    if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI):  # MULTI: pivot
        name = kind.name.lower()
        raise QueryError(f"SQL: a statement of kind {name} found in {sql!r}; records are only read: give a select")
    return statements[0]


def _explained(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.StatementType:
    """Return the kind of the statement after `explain` and its options: the longest end of `sql` that is one."""
    import duckdb

    for position, _ in duckdb.tokenize(sql)[1:]:
        try:
            [found] = connection.extract_statements(sql.encode()[position:].decode())
        except (duckdb.Error, ValueError):  # it would begin among the options
            continue
        return found.type
    return duckdb.StatementType.EXPLAIN


def _refusal(error: Exception, columns: Mapping[str, Sequence[str]], known: Sequence[str], timeout: float) -> str:
    """Return the fault and the remedy; `columns` by view, for the views in the statement."""
    import duckdb

    message = str(error).strip()
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory Error" in message:
        return f"it needs more than {MEMORY_GB} GB of memory; {_LESS}"
    if isinstance(error, duckdb.InterruptException) or "INTERRUPT Error" in message:
        return f"no answer after {timeout:g} s; {_LESS}, or give it more time: --timeout SECONDS"
    if isinstance(error, duckdb.PermissionException):
        return f"{message.splitlines()[0]}; only the views can be read: {', '.join(known)}"
    if missing := _COLUMN.search(message):
        return _no_column(missing[1] or missing[2], columns)
    if missing := _FIELD.search(message):
        return _no_column(f"{missing[2]}.{missing[1]}", columns)
    if missing := _VIEW.search(message):
        near = nearest(missing[1], known)
        return f"no view {missing[1]!r}{f'; the nearest is {near}' if near else ''}; views: {', '.join(known)}"
    return re.split(r"\n+(?=\s*(?:Candidate|Did you mean))", message)[0]


def _no_column(name: str, columns: Mapping[str, Sequence[str]]) -> str:
    """Name the fault with the nearest columns, by their whole name or a part (`accuracy` of `test/accuracy`)."""
    names = dict.fromkeys(column for of_view in columns.values() for column in of_view)
    whole = len(_pieces(name)) > 1
    meant = nearest(name, names if whole else [piece for column in names for piece in _pieces(column)])
    near = [column for column in names if meant in (column, *([] if whole else _pieces(column)))][:_NEAR]
    where = f" in {' or '.join(columns)}" if columns else ""
    quotes = "" if all(map(str.isidentifier, near)) else ", with the double quotes"
    found = f"; the nearest: {', '.join(map(_quoted, near))}{quotes}" if near else ""
    view = next(iter(columns), "trials")
    return f'no column {name!r}{where}{found}; `ablate query STUDY "describe {view}"` lists the columns'


def _pieces(column: str) -> list[str]:
    return re.split(r"[/.]", column)


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f'"{name}"'
