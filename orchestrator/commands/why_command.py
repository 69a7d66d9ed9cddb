"""`ablate why`: why a trial is owed, taken, outdated, or counted or not."""

from __future__ import annotations

from pathlib import Path

import click

from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.arguments import WITH
from ablative.orchestrator.commands.boundary import JSON
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary


@click.command()
@STUDY
@click.argument("trial")
@click.argument("overrides", metavar="[OVERRIDES]...", nargs=-1)
@WITH
@STORE
@JSON
@QUIET
@boundary
def why(
    study: str,
    trial: str,
    overrides: tuple[str, ...],
    parts: tuple[Path, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say why TRIAL of STUDY is owed, taken from another study, outdated, failed or stopped, or why it counts or not.

    TRIAL is an id, or enough of it; give STUDY and OVERRIDES as for `ablate run`. Nothing is changed.

    \b
    ablate why quickstart 4f2a
    ablate why my_study.yaml 4f2a search.trials=8
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.commands import studies
    from ablative.orchestrator.deciding.earlier import Present
    from ablative.orchestrator.showing.why_answer import why_answer
    from ablative.trainables.cache import cache_folder

    asked = studies.Asked(source=study, overrides=overrides, parts=parts, store=store)
    found = studies.opened(asked)
    with composition.display(quiet, doing="why") as display:
        queue, missing = composition.planned_queue(found.loaded, found.store, cache_folder(), display.preparing)
    of_study = found.loaded.study
    cells = (found.store.plan(of_study.study) or []) if missing else queue.plan()
    answer = why_answer(
        of_study,
        trial,
        cells,
        {record.trial_id: record for record in found.store.records(of_study.study)},
        found.store.find,
        None if missing else Present(queue.inputs, of_study, queue.cells),
    )
    click.echo(answer.as_json() if as_json else answer.text().rstrip())
    if missing and not quiet:
        click.echo(f"{missing}\nThe plan is that of the last run.", err=True)
