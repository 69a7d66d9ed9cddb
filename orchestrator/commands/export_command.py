"""The command that copies a study's records to a place where other tools show them."""

from __future__ import annotations

from pathlib import Path

import click

from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary


@click.command()
@STUDY
@STORE
@click.option(
    "--to",
    type=click.Choice(["optuna", "mlflow", "tensorboard", "wandb"]),
    default="optuna",
    show_default=True,
    help="`optuna` exports the searches; the others export all trials, as a sink of the study would get them.",
)
@click.option(
    "--output",
    "-o",
    metavar="PLACE",
    help="SQLite file, tracking URI or folder [STUDY.optuna.db, or the place named in the study's `sinks`].",
)
@QUIET
@boundary
def export(study: str, store: str | None, to: str, output: str | None, quiet: bool) -> None:
    """Copy the records of STUDY to a place where other tools show them.

    --to optuna writes its searches, one Optuna study a cell, which optuna-dashboard opens. The others get every trial
    that they lack, including trials taken from other studies. If it fails, run the same command again to continue.

    \b
    ablate export mini_clip_td
    ablate export mini_clip_td -o searches.db && optuna-dashboard sqlite:///searches.db
    ablate export quickstart --to mlflow -o http://localhost:5000
    ablate export quickstart --to tensorboard -o runs
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.commands.optuna_export import export_searches
    from ablative.orchestrator.sinks.sinks import place_of
    from ablative.orchestrator.sinks.sinks import send

    name, opened = composition.find_study(study, store)
    if to == "optuna":
        target = Path(output or f"{name}.optuna.db")
        count = export_searches(opened, name, target)
        click.echo(f"{target}: {count} cells; open it: optuna-dashboard sqlite:///{target}")
    else:
        place = output or place_of(opened, name, to)
        with composition.display(quiet, doing="export") as display:
            sent, there = send(opened, name, to, place, lambda done, total: display.preparing(to, done, total))
        click.echo(f"{place}: {sent} trials copied, {there} already there")
    for problem in () if quiet else opened.problems:
        click.echo(problem, err=True)
