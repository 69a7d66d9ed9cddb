"""Results as a notebook shows them: the studies' questions, their primary comparisons, and the other views."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from html import escape

import pyarrow as pa

from ablative.analysis.errors import AnalysisError
from ablative.analysis.views.asking import VIEWS
from ablative.analysis.views.formats import text_cells
from ablative.orchestrator.errors import StoreError

_PRIMARY = """
    select study, arm, mean, difference, diff_ci_low, diff_ci_high, p_corrected, n_pairs, verdict, verdict_if_worst,
        failed, missing
    from effects where is_headline and family = 'pooled'"""
_STUDIES = "select study, question, headline, reference, completed, stopped, failed from studies"
SHOWN = (_STUDIES, _PRIMARY)
"""The questions: the studies, and their primary comparisons."""


def page_of(shown: Iterable[str], problems: Iterable[str]) -> str:
    """Return HTML: the results, notes on what was left out, and the names of the views."""
    found = "".join(f"<p>{escape(problem)}</p>" for problem in problems)
    views = ", ".join(f"<code>{name}</code>" for name in VIEWS)
    return f"{''.join(shown)}{found}<p>Views: {views}; <code>results.pandas('effects')</code> or any SQL.</p>"


def shown_answer(ask: Callable[[str], pa.Table], sql: str) -> str:
    """Return the table, or the reason why there is none: an exception would leave the notebook without a page."""
    try:
        return _table(ask(sql))
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
