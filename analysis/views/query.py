"""One SQL statement over the views of a store."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

from ablative.analysis.views.asking import DEFAULT
from ablative.analysis.views.formats import Format
from ablative.analysis.views.formats import render
from ablative.analysis.views.named_queries import named_queries
from ablative.analysis.views.named_queries import sql_of
from ablative.analysis.views.results import load
from ablative.analysis.views.sql import TIMEOUT


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

    `sql`: a statement, or the name of a shipped query; `DEFAULT` if None. Text formats are UTF-8. `mixed` as in
    `analysis.views.results.load`; `timeout` in seconds. `say` receives notes on what was left out, or mixed.

    Raises `QueryError` for SQL that is wrong or rejected, `IncomparableError` for comparisons of unlike trials,
    `AnalysisError` for an unknown study.
    """
    asked = sql or DEFAULT
    results = load(uri, studies, mixed=mixed)
    answer = results.answer(sql_of(asked) if asked in named_queries() else asked, timeout=timeout)
    for problem in results.problems:
        say(problem)
    return render(answer, format)
