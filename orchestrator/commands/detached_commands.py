"""`ablate attach` and `ablate stop`: studies whose driver runs as a Ray job, started by `ablate run --detach`."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from ablative.orchestrator.commands.arguments import RUNNING_CLUSTER
from ablative.orchestrator.commands.arguments import STANDARD_INPUT
from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.commands.boundary import if_stopped

if TYPE_CHECKING:
    from ablative.orchestrator.commands.studies import Asked


@click.command()
@STUDY
@STORE
@RUNNING_CLUSTER
@ONLY_ANSWERS
@boundary
def attach(study: str, store: str | None, address: str) -> None:
    """Show the output of a detached run of STUDY, from start to end, and exit with its exit status.

    Ctrl-C stops showing it, never the study.

    \b
    ablate attach my_study.yaml
    ray submit cluster.yaml orchestrator/ablate.py -- attach my_study.yaml
    """
    from ablative.orchestrator.commands import composition

    jobs = composition.study_jobs(study, store, address)
    job = jobs.required(study)
    if_stopped(f"{job.id} is still running; `ablate attach {study}` shows it again.")
    sys.exit(jobs.follow(job, partial(click.echo, nl=False)))


@click.command()
@STUDY
@STORE
@RUNNING_CLUSTER
@ONLY_ANSWERS
@boundary
def stop(study: str, store: str | None, address: str) -> None:
    """Stop the detached run of STUDY. Finished trials are recorded, and `ablate run` continues from there.

    \b
    ablate stop my_study.yaml
    """
    from ablative.orchestrator.commands import composition

    jobs = composition.study_jobs(study, store, address)
    job = jobs.required(study)
    if not job.is_open:
        click.echo(f"{job.id} has ended already")
        return
    jobs.stop(job)
    click.echo(f"{job.id} is stopped; finished trials are recorded, `ablate run` continues from there")


def start_job(asked: Asked, address: str, executor: str) -> None:
    """Start this command line as a job, without --detach, or join the study's running job."""
    from ablative.orchestrator.commands import composition

    if asked.source == STANDARD_INPUT:
        raise click.UsageError("--detach: standard input is gone when this command returns; give a study file.")
    if executor != "ray":
        raise click.UsageError("--detach needs --executor ray, because it starts a Ray job.")
    study = asked.load().study  # report mistakes here, not in a job's log
    where = "auto" if address in ("local", "any") else address
    jobs = composition.jobs_of(study.study, study, asked.store, where)
    before = jobs.latest()
    words = [word for word in sys.argv[1:] if word != "--detach"]
    job = jobs.start([*words, "--address", where])
    runs = "runs already" if before is not None and before.id == job.id else "runs"
    click.echo(f"{jobs.study} {runs} as {job.id}; `ablate attach {asked.source}` shows it, `ablate stop` ends it")
    if left := composition.secrets_left_out():
        click.echo(
            f"{', '.join(left)}: not passed to the job, because everyone on the cluster could read it; instead "
            "set AWS_PROFILE or AWS_SHARED_CREDENTIALS_FILE to one that exists on the head",
            err=True,
        )
