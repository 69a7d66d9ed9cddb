"""A paper's table as Markdown, LaTeX (booktabs), HTML and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import asdict
from html import escape
from typing import Literal
from typing import get_args

from ablative.analysis import rounding
from ablative.analysis.showing.paper_latex import Column
from ablative.analysis.showing.paper_latex import latex
from ablative.analysis.showing.paper_table import Entry
from ablative.analysis.showing.paper_table import PaperTable
from ablative.analysis.showing.paper_table import Row
from ablative.analysis.showing.paper_table import Step
from ablative.analysis.views.formats import in_markdown

PaperForm = Literal["markdown", "latex", "html", "csv"]
FORMS: tuple[str, ...] = get_args(PaperForm)
_ALL = "all"
_STEP = "over the row above"


def written(table: PaperTable, form: PaperForm) -> str:
    """Return the table in a form, ending with a line break."""
    forms: dict[str, Callable[[PaperTable], str]] = {
        "markdown": _markdown,
        "latex": _latex,
        "html": _html,
        "csv": _csv,
    }
    return forms[form](table)


def _texts(entry: Entry | None) -> tuple[str, str, bool]:
    """Return `0.521 ± 0.013`, its mark, and whether it is the best."""
    if entry is None or entry.mean is None:
        return rounding.ABSENT, "", False
    return rounding.with_half(entry.mean, entry.ci_low, entry.ci_high), entry.mark, entry.best


def _pooled(entry: Entry) -> tuple[str, str, bool]:
    if entry.difference is None:
        return rounding.ABSENT, "", False
    return rounding.signed_with_ends(asdict(entry)), entry.mark, entry.best


def _step(step: Step | None) -> str:
    return rounding.ABSENT if step is None else rounding.signed_with_half(step.difference, step.ci_low, step.ci_high)


def _cells(row: Row, table: PaperTable) -> list[tuple[str, str, bool]]:
    """Return (text, mark, best) of each column behind the arm's name."""
    texts = [*map(_texts, row.entries), _pooled(row.pooled)]
    return [*texts, *([(_step(row.step), "", False)] if table.has_steps else [])]


def _name(row: Row) -> str:
    return f"{row.arm} (reference)" if row.is_reference else f"{row.arm} (control)" if row.is_control else row.arm


def _last_headings(table: PaperTable) -> list[str]:
    return [f"{_ALL}: difference", *([_STEP] if table.has_steps else [])]


def _markdown(table: PaperTable) -> str:
    def form(text: str, mark: str, best: bool) -> str:
        return f"{'**' if best else ''}{in_markdown(text)}{'**' if best else ''}{' ' + mark if mark else ''}"

    columns = [f"{task} {heading}".strip() for task, headings in table.groups for heading in headings]
    header = ["arm", *columns, *_last_headings(table)]
    lines = [list(map(in_markdown, header)), ["---", *["---:"] * (len(header) - 1)]]
    lines += [[in_markdown(_name(row)), *(form(*cell) for cell in _cells(row, table))] for row in table.rows]
    body = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    notes = "".join(f"\n{in_markdown(note)}.\n" for note in table.notes)
    return f"**{in_markdown(_title(table))}**\n\n{body}{notes}"


def _latex(table: PaperTable) -> str:
    headings = [*((task, heading) for task, of_task in table.groups for heading in of_task)]
    headings += [("", heading) for heading in _last_headings(table)]
    cells = zip(*(_cells(row, table) for row in table.rows), strict=True)
    columns = [Column(group=group, heading=text, cells=of) for (group, text), of in zip(headings, cells, strict=True)]
    return latex(
        [_name(row) for row in table.rows],
        columns,
        controls=next((number for number, row in enumerate(table.rows) if row.is_control), None),
        title=_title(table),
        notes=table.notes,
        label=table.study,
    )


def _html(table: PaperTable) -> str:
    def form(text: str, mark: str, best: bool) -> str:
        number = f"<b>{escape(text)}</b>" if best else escape(text)
        return f"<td>{number}{f' <sup>{mark}</sup>' if mark else ''}</td>"

    tasks = "".join(
        f'<th scope="colgroup" colspan="{len(headings)}">{escape(task)}</th>' for task, headings in table.groups
    )
    last = "".join(f'<th scope="col" rowspan="2">{escape(text)}</th>' for text in _last_headings(table))
    columns = "".join(
        f'<th scope="col">{escape(heading)}</th>' for _, headings in table.groups for heading in headings
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(_name(row))}</th>{"".join(form(*cell) for cell in _cells(row, table))}</tr>\n'
        for row in table.rows
    )
    notes = "".join(f"<p>{escape(note)}.</p>\n" for note in table.notes)
    head = f'<tr><th scope="col" rowspan="2">arm</th>{tasks}{last}</tr>\n<tr>{columns}</tr>'
    return (
        f"<table>\n<caption>{escape(_title(table))}</caption>\n<thead>\n{head}\n</thead>\n"
        f"<tbody>\n{rows}</tbody>\n</table>\n{notes}"
    )


def _csv(table: PaperTable) -> str:
    names = (
        *("mean", "ci_low", "ci_high", "n", "planned", "difference", "diff_ci_low", "diff_ci_high", "p_corrected"),
        *("verdict_ci_low", "verdict_ci_high"),
    )
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["arm", "role", "task", "condition", "metric", *names, "verdict", "best"])
    places = [(task, heading) for task, headings in table.groups for heading in headings]
    for row in table.rows:
        role = "reference" if row.is_reference else "control" if row.is_control else "arm"
        for (task, heading), entry in zip([*places, ("", _ALL)], [*row.entries, row.pooled], strict=True):
            if entry is not None:
                values = [getattr(entry, name) for name in names]
                writer.writerow([row.arm, role, task, heading, table.metric, *values, entry.verdict, entry.best])
    return file.getvalue()


def _title(table: PaperTable) -> str:
    mean = f"{table.study}: {table.metric}, mean ± half of its 95 % interval"
    return f"{mean}; {_ALL}: paired difference to {table.reference} [interval]"
