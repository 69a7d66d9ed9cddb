"""The result table as text: for a terminal, for a file, for a README."""

from __future__ import annotations

import io
from typing import Literal

from analysis.formats import in_markdown
from analysis.grids import Grid
from analysis.grids import claims_grids
from analysis.grids import condition_grids
from analysis.grids import legend
from analysis.grids import pooled_grid
from analysis.grids import shortfall
from analysis.results import Results
from analysis.results import load

Style = Literal["plain", "rich", "markdown"]

_WIDE = 100  # conditions side by side in Markdown, which has no width


def effects_table(uri: str, study: str, *, style: Style = "plain", width: int = 120) -> str:
    """Return the result table of `study` in the store at `uri`.

    `rich` has colours for a terminal of `width` columns, `plain` the same lines without; `markdown` is for a page.
    Failed and missing trials are counted below the table. Raises `AnalysisError` without such a study.
    """
    return results_table(load(uri, study), study, style=style, width=width)


def results_table(results: Results, study: str, *, style: Style = "plain", width: int = 120) -> str:
    """Return the result table of `study`, one of `results`."""
    plan = results.comparable(study)
    effects = [row for row in results.effects.to_pylist() if row["study"] == study]
    claims = [row for row in results.claims.to_pylist() if row["study"] == study]
    widest = _WIDE if style == "markdown" else 4
    grids = [pooled_grid(effects, plan), *claims_grids(claims), *condition_grids(effects, plan, widest)]
    notes = [legend(effects, plan), *shortfall(effects)]
    return _markdown(grids, notes) if style == "markdown" else _terminal(grids, notes, style, width)


def _terminal(grids: list[Grid], notes: list[str], style: Style, width: int) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=style == "rich", no_color=style == "plain", highlight=False
    )
    for grid in grids:
        table = Table(title=Text(grid.title), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
        for position, column in enumerate(grid.columns):
            table.add_column(Text(column), justify="left" if position == 0 else "right", overflow="fold")
        for row in grid.rows:
            table.add_row(*(Text(text, style=_colour(text)) for text in row))
        console.print(table)
    for note in notes:
        console.print(Text(note), soft_wrap=True)
    return file.getvalue() if style == "rich" else "\n".join(map(str.rstrip, file.getvalue().splitlines())) + "\n"


def _colour(text: str) -> str:
    if "▲" in text or text in ("better", "higher"):
        return "blue"  # blue and orange: told apart by all common kinds of colour vision
    return "dark_orange" if "▼" in text or text in ("worse", "lower") else ""


def _markdown(grids: list[Grid], notes: list[str]) -> str:
    parts = [f"**{in_markdown(grid.title)}**\n\n{_markdown_grid(grid)}" for grid in grids]
    return "\n\n".join([*parts, *map(in_markdown, notes)]) + "\n"


def _markdown_grid(grid: Grid) -> str:
    rule = ["---", *["---:"] * (len(grid.columns) - 1)]
    rows = [list(map(in_markdown, grid.columns)), rule, *(list(map(in_markdown, row)) for row in grid.rows)]
    return "\n".join(f"| {' | '.join(row)} |".replace("\n", "<br>") for row in rows)
