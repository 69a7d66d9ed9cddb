"""One SQL statement over the views of a store."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

import pyarrow as pa

from analysis.formats import Format
from analysis.formats import render
from analysis.named_queries import named_queries
from analysis.named_queries import sql_of
from analysis.results import Results
from analysis.results import load
from analysis.sql import TIMEOUT
from analysis.sql import Part
from analysis.sql import answered
from analysis.sql import named_in

DEFAULT = "effects"
"""The named query that `ablate query STUDY` asks without SQL."""

_TABLES = {
    "studies": "studies_table",
    "trials": "parts_of_trials",
    "curves": "curves",
    "cells": "cells",
    "effects": "effects",
    "claims": "claims",
    "contrasts": "contrasts",
    "primary_contrasts": "primary_contrasts",
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
        from (
            select distinct on (study, trial_id) study, trial_id, cell, arm, phase, status, seconds, device_seconds,
                lost_seconds, queued_seconds, teacher_passes, samples_seen
            from trials where source_study = '' order by study, trial_id, cell)
        group by study, arm, phase, status""",
}
"""View -> its definition over `trials`. What another study has paid is no cost of this one, and a trial that stands in
two cells is paid once."""
VIEWS = (*_TABLES, *DERIVED)


def run_query(
    uri: str,
    studies: Sequence[str] | str | None,
    sql: str | None,
    format: Format = "table",
    *,
    mixed: bool = False,
    timeout: float = TIMEOUT,
    say: Callable[[str], None] = lambda problem: None,
) -> bytes:
    """Answer `sql` over the studies in the store at `uri` as the bytes of `format`.

    `sql`: a statement, or the name of a query that comes with the program; `DEFAULT` if None. Text formats are UTF-8.
    `mixed` as in `analysis.load`; `timeout` in seconds. `say` is told what was left out, or mixed.

    Raises `QueryError` for SQL that is wrong or refused, `IncomparableError` for
    comparisons of unlike trials, `AnalysisError` for an unknown study.
    """
    asked = sql or DEFAULT
    results = load(uri, studies, mixed=mixed)
    answer = ask(results, sql_of(asked) if asked in named_queries() else asked, timeout=timeout)
    for problem in results.problems:
        say(problem)
    return render(answer, format)


def ask(results: Results, sql: str, *, timeout: float = TIMEOUT) -> pa.Table:
    """Answer one reading statement over the views of `VIEWS`; raises `QueryError` as `analysis.sql.answered` does."""
    asked = set(named_in(sql, VIEWS)) or {DEFAULT}
    derived = {name: text for name, text in DERIVED.items() if name in asked}
    needed = asked | ({"trials"} if derived else set())
    views = {name: _parts(getattr(results, attribute)) for name, attribute in _TABLES.items() if name in needed}
    return answered(sql, views, derived, known=VIEWS, timeout=timeout)


def _parts(view: Part | list[Part]) -> list[Part]:
    return view if isinstance(view, list) else [view]
