"""Standard output as a stream of events (`ablate run --json`), free of any other output however the run ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

from ablative.orchestrator.commands.boundary import if_ended_early

if TYPE_CHECKING:
    from ablative.orchestrator.showing.run_events import EventDisplay


@contextmanager
def event_stream(*, asked: bool) -> Iterator[EventDisplay | None]:
    """Yield the writer of events to standard output; None unless `asked`.

    Any other output meanwhile, such as that of a trial in this process, goes to standard error.
    """
    if not asked:
        yield None
        return
    from ablative.orchestrator.showing.run_events import EventDisplay
    from ablative.orchestrator.showing.run_events import EventLines

    events = EventDisplay(EventLines(sys.stdout, _nobody_reads))
    if_ended_early(events.ended)
    with redirect_stdout(sys.stderr):
        yield events


def _nobody_reads() -> None:
    click.echo("the reader of the events is gone; the run continues without them", err=True)
