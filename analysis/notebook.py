"""Results as a notebook shows them: what the studies ask, their primary comparisons, and what else there is."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import pyarrow as pa

from analysis.errors import AnalysisError
from analysis.formats import text_cells
from orchestrator.errors import StoreError

if TYPE_CHECKING:
    from analysis.results import Results

_PRIMARY = """
    select study, arm, mean, difference, diff_ci_low, diff_ci_high, p_corrected, n_pairs, verdict, verdict_if_worst,
        failed, missing
    from effects where is_headline and family = 'pooled'"""
_STUDIES = "select study, question, headline, reference, completed, stopped, failed from studies"


def page_of(results: Results) -> str:
    """Return HTML: a table of the studies, one of their primary comparisons, and the names of the views."""
    from analysis.query import VIEWS

    tables = [_answer(results, sql) for sql in (_STUDIES, _PRIMARY)]
    found = "".join(f"<p>{escape(problem)}</p>" for problem in results.problems)
    views = ", ".join(f"<code>{name}</code>" for name in VIEWS)
    return f"{''.join(tables)}{found}<p>Views: {views}; <code>results.pandas('effects')</code> or any SQL.</p>"


def _answer(results: Results, sql: str) -> str:
    """Return the table, or why there is none: an exception here would leave the notebook without a page."""
    try:
        return _table(results.arrow(sql))
    except (AnalysisError, StoreError) as error:
        return f"<p>{escape(str(error))}</p>"


def _table(answer: pa.Table) -> str:
    header, rows, numbers = text_cells(answer)
    heads = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align:{"right" if number else "left"}">{escape(cell)}</td>'
            for cell, number in zip(row, numbers, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
