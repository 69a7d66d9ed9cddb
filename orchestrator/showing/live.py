"""The display on a terminal: a table of cells and a line of progress, drawn in place."""

from __future__ import annotations

import time

from rich.console import Console
from rich.console import Group
from rich.console import RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ablative.orchestrator.deciding.cell_trials import ENDED
from ablative.orchestrator.deciding.progress import CellProgress
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.showing.activity import Activity
from ablative.orchestrator.showing.activity import Clock
from ablative.orchestrator.showing.activity import OtherWork
from ablative.orchestrator.showing.activity import no_other_work
from ablative.orchestrator.showing.cell_name import CellName
from ablative.orchestrator.showing.display import Reached
from ablative.orchestrator.showing.display import Trials
from ablative.orchestrator.showing.display import Waits
from ablative.orchestrator.showing.display import nothing
from ablative.orchestrator.showing.display import opening
from ablative.orchestrator.showing.display import unknown
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.trials import Trial

_COLOURS = {"search": "cyan", "waiting": "yellow", "confirm": "blue", "done": "green", "failed": "red", "left": "dim"}
SPARE_LINES = 6
"""Lines of a terminal's height kept free of cells."""


class LiveDisplay:
    """Cells, trials, best value and time left; parts that change with the clock are redrawn all the time."""

    def __init__(self, console: Console, clock: Clock = time.monotonic, *, doing: str = "prepare") -> None:
        self._console = console
        self._clock = clock
        self._doing = doing
        self._activity = Activity(clock)
        self._activity.begin("loading")
        self._trials: Trials | None = None
        self._cells: Table | None = None
        self._total = self._done = 0
        self._live = Live(console=console, refresh_per_second=4, transient=False, get_renderable=self._drawing)

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._activity.begin("")  # the progress of the cells stays on the screen
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a line above the drawing."""
        self._console.print(Text(text))

    def doing(self, what: str) -> None:
        """Draw it with the time that it takes."""
        self._activity.begin(what)
        self._trials, self._total = None, 0

    def preparing(self, stage: str, done: int, total: int) -> None:
        """Draw a bar for the stage."""
        self._activity.reach(stage, done, total)
        self._trials, self._done, self._total = None, done, total

    def start(
        self,
        queue: TrialQueue,
        waits_for: Waits = nothing,
        reached: Reached = unknown,
        other_work: OtherWork = no_other_work,
    ) -> None:
        """Print the number of owed trials, and draw the cells."""
        self._trials = Trials(queue, self._clock, waits_for, reached, other_work)
        self._total = self._trials.owed
        self.say(opening(queue))
        self._draw(queue)

    def started(self, trial: Trial, *, resumed: bool) -> None:
        """The cells show it when they are drawn next."""

    def finished(self, record: Record, queue: TrialQueue) -> None:
        """Draw the cells again; a failure is printed as well."""
        self._trials = self._trials or Trials(queue, self._clock)
        self._trials.ended(record)
        if record.status == "failed":
            reason = record.error.strip().splitlines()[-1] if record.error.strip() else ""
            self.say(f"failed: {record.cell} {record.phase} seed {record.seed}: {record.cause} {reason}")
        self._draw(queue)

    def _draw(self, queue: TrialQueue) -> None:
        owed = self._trials.owed if self._trials else queue.owed()
        self._total = max(self._total, owed)
        self._done = self._total - owed
        self._cells = self._table(queue)
        self._live.refresh()

    def _drawing(self) -> RenderableType:
        """Return the present drawing; also called from another thread."""
        parts: list[RenderableType] = [self._cells] if self._cells is not None else []
        if self._trials is not None:
            parts.append(_bar("trials", self._done, self._total, self._trials.line().partition(": ")[2]))
        elif self._total:
            parts.append(_bar(f"{self._doing}: {self._activity.name}", self._done, self._total, self._activity.note()))
        elif told := self._activity.line():
            parts.append(Text(told))
        return Group(*parts)

    def _table(self, queue: TrialQueue) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in ("cell", "search", "confirm", "failed", f"best {queue.study.target.metric}", ""):
            table.add_column(name, justify="left" if name in ("cell", "") else "right", no_wrap=name != "cell")
        cells = queue.progress()
        shown = most_telling(cells, max(3, self._console.height - SPARE_LINES))
        for cell in shown:
            table.add_row(*_row(cell))
        if len(shown) < len(cells):
            table.add_row(f"... {len(cells) - len(shown)} more cells")
        return table


def most_telling(cells: list[CellProgress], count: int) -> list[CellProgress]:
    """Return `count` cells in the study's order, choosing running cells first, then unfinished ones."""
    ranked = sorted(range(len(cells)), key=lambda i: (cells[i].running == 0, cells[i].state in ENDED, i))
    return [cells[i] for i in sorted(ranked[:count])]


def _row(cell: CellProgress) -> tuple[CellName | Text, ...]:
    return (
        CellName(cell.cell, one_line=True),
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
