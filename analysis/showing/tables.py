"""Question, answer and result tables as text: for a terminal, for a file, for a README."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Literal

from ablative.analysis.pairing.claimed import FAILS
from ablative.analysis.pairing.claimed import HOLDS
from ablative.analysis.pairing.verdicts import holds
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.condition_grids import HOW_TO_READ
from ablative.analysis.showing.condition_grids import condition_grids
from ablative.analysis.showing.findings import Findings
from ablative.analysis.showing.findings import findings
from ablative.analysis.showing.grids import AT_WORST
from ablative.analysis.showing.grids import BLOCKS
from ablative.analysis.showing.grids import INTERVALS
from ablative.analysis.showing.grids import Grid
from ablative.analysis.showing.grids import claims_grids
from ablative.analysis.showing.grids import control_grids
from ablative.analysis.showing.grids import crossed
from ablative.analysis.showing.grids import headline_rows
from ablative.analysis.showing.grids import learned_nothing
from ablative.analysis.showing.grids import legend
from ablative.analysis.showing.grids import marked_cells
from ablative.analysis.showing.grids import pooled_grid
from ablative.analysis.showing.grids import shortfall
from ablative.analysis.showing.grids import undecided
from ablative.analysis.views.formats import in_markdown
from ablative.analysis.views.results import Results
from ablative.analysis.views.results import load

Style = Literal["plain", "rich", "markdown"]

_ENDLESS = 100_000  # columns: names are whole off a terminal
_NAME, _PIECE = re.compile(r"\S+"), re.compile(r"[^_|,]+[_|,]*|[_|,]+")
_WIDE = 100  # conditions side by side in Markdown, which has no width


def effects_table(uri: str, study: str, *, style: Style = "plain", width: int = 120) -> str:
    """Return question, answer and result tables of `study` in the store at `uri`.

    `rich` has colours for a terminal of `width` columns, `plain` none, and tables as wide as they need; `markdown` is
    for a page.
    Failed and missing trials are counted below the tables. Raises `AnalysisError` without such a study.
    """
    return results_table(load(uri, study), study, style=style, width=width)


def results_table(results: Results, study: str, *, style: Style = "plain", width: int = 120) -> str:
    """Return question, answer and result tables of `study`, one of `results`."""
    found = findings(results, study)
    said = [line for line in (found.plan.question, *answer(found)) if line]
    grids = result_grids(found, _WIDE if style == "markdown" else 4)
    return (
        _markdown(said, grids, notes(found))
        if style == "markdown"
        else _terminal(said, grids, notes(found), style, width)
    )


def result_grids(found: Findings, widest: int = 4) -> list[Grid]:
    """Return the claims, the primary comparisons, arms against controls, and each condition."""
    plan = found.plan
    return [
        *claims_grids(found.claims, plan),
        pooled_grid(found.effects, plan, found.test_size),
        *control_grids(found.against_controls, plan),
        *condition_grids(found.effects, plan, widest),
    ]


def notes(found: Findings) -> list[str]:
    """Return what has to be known to read the grids, and what failed or is missing."""
    plan, effects = found.plan, found.effects
    cells = headline_rows(effects, "cells") if len(plan.conditions) > 1 else []
    marked = [*marked_cells(cells), *_crossed(found.against_controls)]
    single = [HOW_TO_READ.format(plan.reference), undecided(cells)] if cells else []
    judged = [*found.claims, *headline_rows(effects, "pooled"), *found.against_controls]
    worst = "" if all(map(holds, judged)) else AT_WORST
    nothing = learned_nothing([row for row in effects if row["is_headline"]])
    return [
        line
        for line in (
            BLOCKS[plan.comparisons.blocks],
            INTERVALS if judged else "",
            plan.late_line,
            legend(marked, plan),
            nothing,
            worst,
            *single,
            *shortfall(effects),
        )
        if line
    ]


def _crossed(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return rows if crossed(rows) else []


def _terminal(said: list[str], grids: list[Grid], notes: list[str], style: Style, width: int) -> str:
    from rich import box
    from rich.console import Console
    from rich.containers import Lines
    from rich.table import Table
    from rich.text import Text

    class _Cell(Text):
        """A text that breaks its names between their words where its column is narrow."""

        def wrap(self, console: Console, width: int, **how: Any) -> Lines:
            return Text(folded(self.plain, width), style=self.style).wrap(console, width, **how)

    file = io.StringIO()
    console = Console(
        file=file,
        width=_ENDLESS if style == "plain" else width,
        force_terminal=style == "rich",
        no_color=True if style == "plain" else None,
        highlight=False,
    )
    for line in said:
        console.print(Text(line), width=width)
    console.print()
    for grid in grids:
        console.print(Text(grid.title, style="underline"))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        widths = column_widths(grid, console.width)
        for position, (column, wide) in enumerate(zip(grid.columns, widths, strict=True)):
            justify: Literal["left", "right"] = "right" if position else "left"
            table.add_column(Text(column), justify=justify, overflow="fold", width=wide)
        for row in grid.rows:
            table.add_row(*(_Cell(text, style=_colour(text)) for text in row))
        console.print(table)
    for note in notes:
        console.print(Text(note), soft_wrap=True)
    return file.getvalue() if style == "rich" else "\n".join(map(str.rstrip, file.getvalue().splitlines())) + "\n"


def folded(text: str, width: int) -> str:
    """Return text whose names break after `_`, `|` or `,` where they have more than `width` characters."""
    return _NAME.sub(lambda name: _broken(name[0], width), text)


def column_widths(grid: Grid, width: int) -> list[int | None]:
    """Return widths that cut no word of a grid too wide for `width`; None where it fits, or no such widths do."""
    columns = list(zip(grid.columns, *grid.rows, strict=True))
    whole = [max(len(line) for text in column for line in text.splitlines() or [""]) for column in columns]
    least = [max(map(len, "\n".join(folded(text, 1) for text in column).split())) for column in columns]
    room = width - 2 * len(columns) - 1  # between columns, and at the edges
    if sum(whole) <= room or sum(least) > room:
        return [None] * len(columns)
    while sum(least) < room:
        lacking = max(range(len(columns)), key=lambda at: whole[at] - least[at])
        least[lacking] += 1
    return [*least]


def _broken(name: str, width: int) -> str:
    lines = [""]
    for piece in _PIECE.findall(name):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def _colour(text: str) -> str:
    """Bold only where a difference is shown that failed trials could not undo; colours for all kinds of vision."""
    if text.endswith("▲") or text in ("better", "higher", HOLDS):
        return "bold blue"
    return "bold dark_orange" if text.endswith("▼") or text in ("worse", "lower", FAILS) else ""


def _markdown(said: list[str], grids: list[Grid], notes: list[str]) -> str:
    parts = [*map(in_markdown, said), *(f"**{in_markdown(grid.title)}**\n\n{markdown_grid(grid)}" for grid in grids)]
    return "\n\n".join([*parts, *map(in_markdown, notes)]) + "\n"


def markdown_grid(grid: Grid) -> str:
    """Return a grid as a Markdown table, its names escaped."""
    rule = ["---", *["---:"] * (len(grid.columns) - 1)]
    rows = [list(map(in_markdown, grid.columns)), rule, *(list(map(in_markdown, row)) for row in grid.rows)]
    return "\n".join(f"| {' | '.join(row)} |".replace("\n", "<br>") for row in rows)
