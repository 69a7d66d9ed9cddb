"""`ablate pause`, `resume` and `cancel`: commands to a study's running drivers, sent through the store."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from ablative.orchestrator.storing.wishes import Wishes

_CELLS = click.option(
    "--cell", "cells", multiple=True, metavar="NAME", help="An arm, or a cell by its name; repeatable [all cells]."
)


def _wish_command(command: Callable[..., None]) -> click.Command:
    """Return the decorator for a command that takes a study, some of its cells, and its store."""
    found = boundary(command)
    for option in (ONLY_ANSWERS, STORE, _CELLS, STUDY):
        found = option(found)
    return click.command()(found)


@_wish_command
def pause(study: str, cells: tuple[str, ...], store: str | None) -> None:
    """Make the drivers of STUDY start no new trials until `ablate resume`; running trials finish.

    Drivers react within seconds, wherever they run, and keep their workers. It also holds for later runs.

    \b
    ablate pause my_study.yaml
    ablate pause my_study.yaml --cell no_distillation --store s3://bucket/results
    """
    name = _wish(study, cells, store, lambda wishes, keys: wishes.with_paused(keys))
    click.echo(f"{_what(name, cells)} paused; continue with `ablate resume {study}`")


@_wish_command
def resume(study: str, cells: tuple[str, ...], store: str | None) -> None:
    """Undo `ablate pause` for STUDY, or for the cells given by --cell.

    \b
    ablate resume my_study.yaml
    """
    name = _wish(study, cells, store, lambda wishes, keys: wishes.with_resumed(keys))
    click.echo(f"{_what(name, cells)} resumed")


@_wish_command
def cancel(study: str, cells: tuple[str, ...], store: str | None) -> None:
    """Make the drivers that run STUDY now start no new trials and end; running trials finish.

    With --cell they skip these cells and continue with the others. A later run owes the trials again.

    \b
    ablate cancel my_study.yaml
    """
    name = _wish(study, cells, store, lambda wishes, keys: wishes.with_cancelled(keys, datetime.now(UTC)))
    click.echo(f"{_what(name, cells)} cancelled; a later run owes it again")


def _wish(
    study: str, cells: Sequence[str], store: str | None, change: Callable[[Wishes, Sequence[str]], Wishes]
) -> str:
    """Change the wishes of a study in the store; return its name. Raises OrchestratorError for an unknown cell."""
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.storing.wishes import EVERYTHING

    name, opened = composition.find_study(study, store)
    opened.check(name)
    planned = opened.plan(name) or []
    known = [*dict.fromkeys(cell.arm for cell in planned), *(cell.name for cell in planned)]
    if unknown := [cell for cell in cells if cell not in known]:
        raise OrchestratorError(f"--cell {unknown[0]}: not an arm or cell of {name}; use one of {', '.join(known)}")
    opened.write_wishes(name, change(opened.wishes(name), cells or [EVERYTHING]))
    return name


def _what(name: str, cells: Sequence[str]) -> str:
    return f"{name}: {', '.join(cells)}" if cells else name


WISHES = (pause, resume, cancel)
