"""The display on a terminal: a table of cells and a line of progress, drawn in place."""

from __future__ import annotations

import time

from rich.console import Console
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cell_trials import ENDED
from orchestrator.display import Clock
from orchestrator.display import Pace
from orchestrator.display import opening
from orchestrator.durations import duration
from orchestrator.progress import CellProgress
from orchestrator.queue import TrialQueue
from orchestrator.records import Record

_COLOURS = {"search": "cyan", "waiting": "yellow", "confirm": "blue", "done": "green", "failed": "red", "left": "dim"}
SPARE_LINES = 6
"""Of a terminal's height, kept free of cells."""


class LiveDisplay:
    """Cells, trials, best value and time left."""

    def __init__(self, console: Console, clock: Clock = time.monotonic, *, doing: str = "prepare") -> None:
        self._console = console
        self._doing = doing
        self._live = Live(console=console, refresh_per_second=4, transient=False)
        self._pace = Pace(clock)
        self._total = 0

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a line above the drawing."""
        self._console.print(Text(text))

    def preparing(self, stage: str, done: int, total: int) -> None:
        """Draw a bar for the stage."""
        self._live.update(_bar(f"{self._doing}: {stage}", done, total, ""))

    def start(self, queue: TrialQueue) -> None:
        """Print what is owed, and draw the cells."""
        self._pace.start()
        self._total = queue.owed()
        self.say(opening(queue))
        self._draw(queue)

    def finished(self, record: Record, queue: TrialQueue) -> None:
        """Draw the cells again; a failure is printed as well."""
        self._pace.tick()
        if record.status == "failed":
            reason = record.error.strip().splitlines()[-1] if record.error.strip() else ""
            self.say(f"failed: {record.cell} {record.phase} seed {record.seed}: {record.cause} {reason}")
        self._draw(queue)

    def _draw(self, queue: TrialQueue) -> None:
        owed = queue.owed()
        self._total = max(self._total, owed)
        left = self._pace.left(owed)
        note = f"about {duration(left)} left" if left else ""
        bar = _bar("trials", self._total - owed, self._total, note)
        self._live.update(Group(self._table(queue), bar))

    def _table(self, queue: TrialQueue) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in ("cell", "search", "confirm", "failed", f"best {queue.study.target.metric}", ""):
            table.add_column(name, justify="left" if name in ("cell", "") else "right")
        cells = queue.progress()
        shown = most_telling(cells, max(3, self._console.height - SPARE_LINES))
        for cell in shown:
            table.add_row(*_row(cell))
        if len(shown) < len(cells):
            table.add_row(f"... {len(cells) - len(shown)} more cells")
        return table


def most_telling(cells: list[CellProgress], count: int) -> list[CellProgress]:
    """Return `count` cells in the study's order, running and unfinished ones first in line."""
    ranked = sorted(range(len(cells)), key=lambda i: (cells[i].running == 0, cells[i].state in ENDED, i))
    return [cells[i] for i in sorted(ranked[:count])]


def _row(cell: CellProgress) -> tuple[Text, ...]:
    return (
        Text(cell.cell, overflow="ellipsis", no_wrap=True),
        Text(f"{cell.search_done}/{cell.search_total}"),
        Text(f"{cell.confirm_done}/{cell.confirm_total}"),
        Text(str(cell.failed or ""), style="red"),
        Text("" if cell.best is None else f"{cell.best:.4f}"),
        Text(cell.state, style=_COLOURS[cell.state]),
    )


def _bar(name: str, done: int, total: int, note: str) -> Table:
    line = Table.grid(padding=(0, 1))
    line.add_row(Text(name), ProgressBar(total=max(total, 1), completed=done, width=30), f"{done}/{total}", Text(note))
    return line
