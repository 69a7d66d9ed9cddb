"""`ablate parts`: everything that a study may name."""

from __future__ import annotations

from pathlib import Path

import click

from ablative.orchestrator.commands.arguments import WITH
from ablative.orchestrator.commands.boundary import JSON
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.errors import OrchestratorError


@click.command()
@click.argument("kind", required=False)
@WITH
@JSON
@QUIET
@boundary
def parts(kind: str | None, parts: tuple[Path, ...], as_json: bool, quiet: bool) -> None:
    """List everything that a study may name, with its settings (type, range, default) and where it comes from.

    KIND is one of task, term, score, weighting, task_weighting, schedule, student, teacher, trainable, sampler,
    stopping. The settings of a trainable are its whole configuration: `ablate parts trainable` lists them.

    \b
    ablate parts
    ablate parts term --with my_loss.py
    ablate parts student --json
    """
    from ablative.orchestrator.commands import parts_listed
    from ablative.search_spaces.wording import one_of
    from ablative.trainables.parts.sources import catalogue

    if kind is not None and kind not in parts_listed.KINDS:
        raise OrchestratorError(f"{kind}: unknown kind of part; use {one_of(kind, parts_listed.KINDS)}")
    known = catalogue(parts)
    entries = [entry for entry in parts_listed.listed(known) if kind in (None, entry.kind)]
    if as_json:
        click.echo(parts_listed.PartsAnswer(parts=tuple(entries), left_out=known.broken).as_json())
        return
    for line in parts_listed.lines(entries, whole=kind is not None):
        click.echo(line)
    for line in () if quiet else known.broken:
        click.echo(f"left out: {line}", err=True)
