"""`ablate cluster`: whether a cluster can run a study, before anything is spent."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ablative.orchestrator.commands.arguments import RUNNING_CLUSTER
from ablative.orchestrator.commands.arguments import WITH
from ablative.orchestrator.commands.boundary import EXIT_MISTAKE
from ablative.orchestrator.commands.boundary import JSON
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.commands.completion import study_names


@click.group()
def cluster() -> None:
    """Check the cluster that a study will run on.

    \b
    ablate cluster check my_study.yaml
    """


@cluster.command()
@click.argument("study", required=False, shell_complete=study_names)
@click.argument("overrides", nargs=-1, metavar="[OVERRIDES]...")
@WITH
@STORE
@RUNNING_CLUSTER
@JSON
@ONLY_ANSWERS
@boundary
def check(
    study: str | None,
    overrides: tuple[str, ...],
    parts: tuple[Path, ...],
    store: str | None,
    address: str,
    as_json: bool,
) -> None:
    """Check every machine of the cluster within 30 s, before STUDY spends anything on it.

    It checks machines that did not join, room for trials, memory of the head, token, versions, cache and store,
    network interfaces, clocks, and the study's data. Without STUDY it checks only what needs no study. Exit status: 0
    sound, 2 not.

    \b
    ray submit cluster.yaml orchestrator/ablate.py -- cluster check my_study.yaml
    ablate cluster check quickstart --json
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.commands import studies

    loaded = None
    if study is not None:
        loaded = studies.Asked(source=study, overrides=overrides, parts=parts, store=store).load()
    answer = composition.check_cluster(address, store, loaded)
    click.echo(answer.as_json() if as_json else answer.text().rstrip())
    sys.exit(0 if answer.sound else EXIT_MISTAKE)
