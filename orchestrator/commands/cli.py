"""The command line. Each command imports what it needs when it runs, so that `ablate --help` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ablative.orchestrator.commands.answer_commands import ANSWERS
from ablative.orchestrator.commands.arguments import EXECUTORS
from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.arguments import WITH
from ablative.orchestrator.commands.arguments import study_and_overrides
from ablative.orchestrator.commands.arguments import told_apart
from ablative.orchestrator.commands.boundary import EXIT_FAILED
from ablative.orchestrator.commands.boundary import EXIT_MISTAKE
from ablative.orchestrator.commands.boundary import JSON
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.commands.boundary import if_stopped
from ablative.orchestrator.commands.cluster_command import cluster
from ablative.orchestrator.commands.completion import study_names
from ablative.orchestrator.commands.data_commands import data
from ablative.orchestrator.commands.detached_commands import attach
from ablative.orchestrator.commands.detached_commands import start_job
from ablative.orchestrator.commands.detached_commands import stop
from ablative.orchestrator.commands.diff_command import diff
from ablative.orchestrator.commands.event_stream import event_stream
from ablative.orchestrator.commands.export_command import export
from ablative.orchestrator.commands.gate_command import gate
from ablative.orchestrator.commands.init_command import init
from ablative.orchestrator.commands.parts_command import parts as parts_command
from ablative.orchestrator.commands.simulate_command import simulate
from ablative.orchestrator.commands.student_commands import student
from ablative.orchestrator.commands.teacher_commands import teacher
from ablative.orchestrator.commands.why_command import why
from ablative.orchestrator.commands.wish_commands import WISHES

if TYPE_CHECKING:
    from ablative.orchestrator.commands.studies import Again
    from ablative.orchestrator.commands.studies import Asked
    from ablative.orchestrator.showing.checked import CheckedStudy


def main(arguments: list[str] | None = None) -> None:
    """Run the command line `ablate`."""
    ablate.main(args=arguments, prog_name="ablate")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="ablative", prog_name="ablate")
def ablate() -> None:
    """Answer a question about distillation: one study file, one command, one table.

    \b
    ablate run quickstart                 run a shipped study on this machine
    ablate init my_loss --kind term       a folder to start from
    ablate check my_study.yaml            list every mistake in a study file
    ablate plan my_study.yaml             list what it would run, and the cost
    ablate cluster check my_study.yaml    whether this cluster can run it
    ablate parts                          everything that a study may name
    ablate simulate my_study.yaml         how often it would detect an effect
    ablate query quickstart               effects with intervals
    ablate power quickstart --effect 0.01 how many seeds a difference of this size needs
    ablate gate quickstart --arm clip_td  is a change better than the accepted arm
    ablate diff 4f2a 9c01                 how two trials, arms or studies differ
    ablate why quickstart 4f2a            why a trial is owed, outdated or not counted
    ablate report quickstart -o out.html  one page with everything
    ablate table quickstart               the table of a paper, as Markdown, LaTeX, HTML or CSV
    ablate figures quickstart             its figures as files, with their data
    ablate watch quickstart               follow a running study
    ablate pause quickstart               start no more trials; `resume` continues, `cancel` ends the run
    ablate attach quickstart              show a detached run; stop ends it

    \b
    Exit status: 0 done; 1 some trial failed; 2 an error that you can fix, described in one line on standard error;
    130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP: finished trials are recorded, the same command continues.
    """


@ablate.command()
@study_and_overrides()
@STORE
@click.option("--executor", type=click.Choice(EXECUTORS), default="ray", show_default=True, help="Where to run.")
@click.option(
    "--address",
    envvar="ABLATE_ADDRESS",
    default="local",
    show_default=True,
    help="Ray cluster: local (a private one), auto (the one running here), any (auto, else local), or its address.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--retry-failed", is_flag=True, help="Run failed trials again.")
@click.option(
    "--retrain-students",
    is_flag=True,
    help="Run recorded trials again if the student that the study keeps is missing.",
)
@click.option("--budget", metavar="TIME", help="Device time after which no new trial starts: 20gpu-h, 90min.")
@click.option("--cold", is_flag=True, help="Start a new worker group for every trial.")
@click.option("--detach", is_flag=True, help="Run as a job on the Ray cluster running here, and return at once.")
@JSON
@QUIET
@boundary
def run(
    study: str,
    overrides: tuple[str, ...],
    parts: tuple[Path, ...],
    store: str | None,
    executor: str,
    address: str,
    dry_run: bool,
    retry_failed: bool,
    retrain_students: bool,
    budget: str | None,
    cold: bool,
    detach: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the trials that STUDY still owes, and print its table. Run it again to continue where it stopped.

    STUDY is a shipped study's name or a path; OVERRIDES change it: a.b=value.

    \b
    ablate run quickstart
    ablate run my_study.yaml search.trials=8 "seeds.confirm=[1,2,3]"
    ablate run quickstart --executor inline
    ablate run my_study.yaml --budget 20gpu-h
    ablate run my_study.yaml --with my_loss.py
    ablate run my_study.yaml --detach
    ablate run my_study.yaml --json       each event as a line of JSON
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.commands import studies
    from ablative.orchestrator.showing.checked import comparisons
    from ablative.orchestrator.showing.display import Displays

    again = studies.Again(failed=retry_failed, students=retrain_students)
    cooled = (*overrides, *(["resources.trials_per_group=1"] if cold else []))
    asked = studies.Asked(source=study, overrides=cooled, parts=parts, store=store)
    if dry_run:
        _print_plan(asked, again=again, as_json=as_json, quiet=quiet)
        return
    if detach:
        if as_json:
            raise click.UsageError("--json: a job has no standard output of its own; leave out --detach.")
        start_job(asked, address, executor)
        return
    from ablative.orchestrator.showing.overview import console
    from ablative.orchestrator.showing.overview import print_problems
    from ablative.orchestrator.showing.overview import print_summary

    with event_stream(asked=as_json) as events:
        found = studies.opened(asked)
        if not quiet:
            _print_lines([found.where, *found.hints("run")])
            _print_lines(f"  {line}" for line in comparisons(found.loaded))
        _print_lines(studies.checked(asked, found.loaded).cautions())
        uri, display = found.store.uri, composition.display(quiet)
        if_stopped(f"Stopped. Finished trials are recorded in {uri}; run the same command again to continue.")
        if events is not None:
            events.begin(found.loaded.study.study, uri, executor)
        summary = studies.run(
            found,
            display if events is None else Displays(display, events),
            executor=executor,
            address=address,
            again=again,
            budget=budget,
            note=partial(click.echo, err=True),
        )
        status = EXIT_FAILED if summary.num_failed else 0
        if events is not None:
            events.close(summary, status, composition.verdicts(found.store, summary.study))
        else:
            click.echo(composition.effects_table(found.store, summary.study))
        if events is None or not quiet:
            print_summary(console(), summary, uri)
        print_problems(console(stderr=True), found.store.problems)
    sys.exit(status)


@ablate.command()
@click.argument("words", metavar="STUDY... [OVERRIDES]...", nargs=-1, required=True, shell_complete=study_names)
@WITH
@JSON
@QUIET
@boundary
def check(words: tuple[str, ...], parts: tuple[Path, ...], as_json: bool, quiet: bool) -> None:
    """Check study files: print every mistake at once, with place and remedy.

    For a sound study, print what its comparisons can show, warnings, and missing data.

    \b
    ablate check quickstart
    ablate check my_study.yaml other.yaml search.trials=8
    ablate check my_study.yaml --with my_loss.py
    """
    from ablative.orchestrator.commands import studies
    from ablative.orchestrator.showing.checked import checked_json
    from ablative.search_spaces.errors import StudyError

    sources, overrides = told_apart(words)
    found: list[CheckedStudy | tuple[str, StudyError]] = []
    for source in sources:
        try:
            checked = studies.check(studies.Asked(source=source, overrides=overrides, parts=parts))
        except StudyError as error:
            found.append((source, error))
            if not as_json:
                click.echo(str(error), err=True)
            continue
        found.append(checked)
        if as_json:
            continue
        click.echo(checked.headline)
        for line in () if quiet else checked.notes():
            click.echo(f"  {line}")
        _print_lines(checked.cautions())
    if as_json:
        click.echo(checked_json(found))
    sys.exit(EXIT_MISTAKE if any(isinstance(one, tuple) for one in found) else 0)


@ablate.command()
@study_and_overrides()
@STORE
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Training speed of a device, in sequences a second.",
)
@JSON
@QUIET
@boundary
def plan(
    study: str,
    overrides: tuple[str, ...],
    parts: tuple[Path, ...],
    store: str | None,
    rate: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print the cells and trials of STUDY: recorded, still owed, and the expected cost.

    \b
    ablate plan quickstart
    ablate plan my_study.yaml search.trials=8
    ablate plan clip_td_lowshot --rate 3100
    """
    from ablative.orchestrator.commands import studies

    asked = studies.Asked(source=study, overrides=overrides, parts=parts, store=store)
    _print_plan(asked, again=studies.Again(), rate=rate, as_json=as_json, quiet=quiet)


@ablate.command()
@STUDY
@STORE
@JSON
@ONLY_ANSWERS
@boundary
def status(study: str, store: str | None, as_json: bool) -> None:
    """Print the progress of STUDY and its failed trials, from the store alone.

    STUDY is a name in the store, a shipped study's name or a path.

    \b
    ablate status quickstart
    ablate status quickstart --store s3://bucket/results
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.showing.overview import console
    from ablative.orchestrator.showing.overview import print_status
    from ablative.orchestrator.showing.standing import standing
    from ablative.orchestrator.showing.status_answer import status_answer

    name, opened = composition.find_study(study, store)
    opened.check(name)
    found = standing(opened, name)
    searches = composition.search_lines(opened, found)
    if as_json:
        click.echo(status_answer(found, searches).as_json())
        return
    out = console()
    print_status(out, found)
    for line in searches:
        out.print(line)


@ablate.command()
@STUDY
@STORE
@click.option("--every", type=click.FloatRange(min=0.2), default=2.0, show_default=True, help="Seconds between looks.")
@click.option("--serve", is_flag=True, help="Serve a report of the records so far, on this machine only.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port of the report; 0 takes a free one.",
)
@ONLY_ANSWERS
@boundary
def watch(study: str, store: str | None, every: float, serve: bool, port: int) -> None:
    """Follow a running STUDY, no matter who started it, from any machine that can read the store.

    It shows progress in the terminal until the study ends. With --serve it serves the report to a browser, which
    reloads after each new record. Ctrl-C stops watching, never the study.

    \b
    ablate watch quickstart
    ablate watch quickstart --store s3://bucket/results --serve --port 8899
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.showing.overview import console
    from ablative.orchestrator.showing.watch import watch as follow

    if_stopped("")
    name, opened = composition.find_study(study, store)
    served = composition.serve_report(opened, name, port=port, every=every) if serve else None
    try:
        if served is not None:
            click.echo(f"{served.url} shows {name} until Ctrl-C")
        follow(opened, name, console(), every=every)
        if served is not None:
            click.echo(f"{name} has ended; the page stays up until Ctrl-C")
            served.wait()
    finally:
        if served is not None:
            served.close()


@ablate.command()
@click.option("--trainable", metavar="NAME", help="Trainable of the study [the one that ships].")
@WITH
@ONLY_ANSWERS
@boundary
def schema(trainable: str | None, parts: tuple[Path, ...]) -> None:
    """Print the JSON Schema of study files, for editors.

    \b
    ablate schema > study.schema.json
    ablate schema --with my_loss.py > study.schema.json
    """
    import json

    from ablative.orchestrator.commands import composition

    click.echo(json.dumps(composition.schema(trainable, parts), indent=2))


@ablate.command()
@STUDY
@STORE
@QUIET
@boundary
def compact(study: str, store: str | None, quiet: bool) -> None:
    """Merge the many small record files of STUDY into a few; readers never see a partial merge.

    \b
    ablate compact quickstart
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.errors import StoreError
    from ablative.orchestrator.showing.overview import console
    from ablative.orchestrator.showing.overview import print_problems
    from ablative.orchestrator.storing.store import compaction_key

    name, opened = composition.find_study(study, store)
    with opened.claims(name) as claims:
        if not claims.claim({compaction_key(name)}):
            raise StoreError(f"store {opened.uri!r}: a run of {name!r} is compacting it; try again in a minute")
        click.echo(f"{opened.compact(name)} trials compacted")
        opened.flatten(name)
    print_problems(console(stderr=True), () if quiet else opened.problems)


for command in (*ANSWERS, *WISHES, cluster, data, diff, export, gate, init, parts_command, simulate, student, teacher):
    ablate.add_command(command)
for command in (attach, stop, why):
    ablate.add_command(command)


def _print_plan(
    asked: Asked, *, again: Again, rate: float | None = None, as_json: bool = False, quiet: bool = False
) -> None:
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.commands import studies
    from ablative.orchestrator.showing.overview import console
    from ablative.orchestrator.showing.overview import print_problems

    found = studies.opened(asked)
    click.echo(found.where, err=as_json)
    _print_lines(found.hints("plan"))
    planned = studies.plan(found, composition.display(quiet, doing="plan"), again=again, rate=rate)
    if as_json:
        click.echo(planned.answer().as_json())
    else:
        planned.show(console())
        for line in () if quiet else planned.checked.comparisons():
            click.echo(f"  {line}")
        _print_lines(planned.cautions())
    print_problems(console(stderr=True), () if quiet else planned.problems)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line, err=True)


if __name__ == "__main__":
    main()
