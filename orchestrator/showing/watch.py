"""Follows a running study from any machine that can reach its store, no matter who runs it where."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.console import Group
from rich.live import Live
from rich.text import Text

from ablative.orchestrator.deciding.cell_trials import ENDED
from ablative.orchestrator.showing.live import SPARE_LINES
from ablative.orchestrator.showing.live import most_telling
from ablative.orchestrator.showing.overview import best
from ablative.orchestrator.showing.overview import cells_table
from ablative.orchestrator.showing.overview import failure
from ablative.orchestrator.showing.overview import recorded
from ablative.orchestrator.showing.standing import Standing
from ablative.orchestrator.showing.standing import standing
from ablative.orchestrator.storing.store import Store

FAILURES_SHOWN = 3


def watch(
    store: Store, study: str, out: Console, *, every: float, sleep: Callable[[float], None] = time.sleep
) -> Standing:
    """Draw the progress of `study` until it has ended, looking for new records at intervals; return the last state.

    On a terminal it draws in place; elsewhere it prints a line whenever something was recorded.
    """
    seen = store.version(study)
    found = standing(store, study)
    with Live(_drawing(found, out), console=out, auto_refresh=False) if out.is_terminal else _Lines(out) as live:
        live.update(_drawing(found, out), refresh=True)
        while not has_ended(found):
            sleep(every)
            now = store.version(study)
            if now != seen:
                seen, found = now, standing(store, study)
                live.update(_drawing(found, out), refresh=True)
    return found


def has_ended(found: Standing) -> bool:
    """Return whether no cell of the study owes anything."""
    return all(cell.state in ENDED for cell in found.cells)


def _drawing(found: Standing, out: Console) -> Group | Text:
    line = Text(recorded(found))
    if not out.is_terminal:
        return line
    shown = most_telling(list(found.cells), max(3, out.height - SPARE_LINES - FAILURES_SHOWN - 1))
    rest = [Text(f"... {len(found.cells) - len(shown)} more cells")] if len(shown) < len(found.cells) else []
    failed = [Text(failure(record), style="red") for record in found.failed[-FAILURES_SHOWN:]]
    return Group(cells_table(shown, found.metric, line_each=True), *rest, Text(best(found.metric)), *failed, line)


class _Lines:
    """Replaces `Live` in logs and pipes."""

    def __init__(self, out: Console) -> None:
        self._out = out

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, drawing: Group | Text, *, refresh: bool) -> None:
        """Print it."""
        self._out.print(drawing)
