"""The command line. Each command imports what it needs when it runs, so that `ablate --help` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import click

from ablative.orchestrator.commands.answer_commands import ANSWERS
from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.arguments import WITH
from ablative.orchestrator.commands.arguments import study_and_overrides
from ablative.orchestrator.commands.arguments import told_apart
from ablative.orchestrator.commands.boundary import EXIT_FAILED
from ablative.orchestrator.commands.boundary import EXIT_MISTAKE
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.commands.boundary import if_stopped
from ablative.orchestrator.commands.completion import study_names
from ablative.orchestrator.commands.data_commands import data
from ablative.orchestrator.commands.export_command import export
from ablative.orchestrator.commands.simulate_command import simulate
from ablative.orchestrator.commands.student_commands import student
from ablative.orchestrator.commands.teacher_commands import teacher

if TYPE_CHECKING:
    from ablative.orchestrator.commands.loaded import Loaded
    from ablative.orchestrator.storing.store import Store
    from ablative.search_spaces.study import Study


def main(arguments: list[str] | None = None) -> None:
    """Run the command line `ablate`."""
    ablate.main(args=arguments, prog_name="ablate")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="ablative", prog_name="ablate")
def ablate() -> None:
    """Answer a question about distillation: one study file, one command, one table.

    \b
    ablate run quickstart                 run a shipped study on this machine
    ablate check my_study.yaml            every mistake in a study file
    ablate plan my_study.yaml             what it would run, and what that costs
    ablate simulate my_study.yaml         how often it would find an effect
    ablate query quickstart               effects with intervals
    ablate power quickstart --effect 0.01 how many seeds such a difference takes
    ablate report quickstart -o out.html  one page with everything
    ablate table quickstart               the table of a paper, as Markdown, LaTeX, HTML or CSV
    ablate figures quickstart             its pictures as files, with their data
    ablate watch quickstart               follow a running study

    \b
    Exit status: 0 done; 1 some trial failed; 2 something that you can put right, in a line on standard error;
    130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP: what ran is recorded, the same command goes on.
    """


@ablate.command()
@study_and_overrides()
@STORE
@click.option(
    "--executor", type=click.Choice(["ray", "inline"]), default="ray", show_default=True, help="Where to run."
)
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
    "--retrain-students", is_flag=True, help="Run trials again that are recorded without the student to be kept."
)
@click.option("--budget", metavar="TIME", help="Start nothing more once so much device time is spent: 20gpu-h, 90min.")
@click.option("--cold", is_flag=True, help="A new worker group for every trial.")
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
    quiet: bool,
) -> None:
    """Run what STUDY owes, and print its table. The same command goes on where it stopped.

    STUDY is a shipped study's name or a path; OVERRIDES change it: a.b=value.

    \b
    ablate run quickstart
    ablate run my_study.yaml search.trials=8 "seeds.confirm=[1,2,3]"
    ablate run quickstart --executor inline
    ablate run my_study.yaml --budget 20gpu-h
    ablate run my_study.yaml --with my_loss.py
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.driving.budget import device_seconds

    if dry_run:
        again = {"retry_failed": retry_failed, "retrain_students": retrain_students}
        _print_plan(study, overrides, parts, store, **again, quiet=quiet)
        return
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.overview import console
    from ablative.orchestrator.showing.overview import print_problems
    from ablative.orchestrator.showing.overview import print_summary
    from ablative.orchestrator.sinks.sinks import open_sinks
    from ablative.trainables.cache import cache_folder

    limit = device_seconds(budget) if budget else None
    checked = composition.load(study, [*overrides, *(["resources.trials_per_group=1"] if cold else [])], parts)
    loaded = checked.study
    opened = composition.open_store(store, loaded)
    if not quiet:
        _tell_store(opened, loaded, ["run", study, *overrides], to_stderr=True)
    _tell(checked, to_stderr=True, families=not quiet)
    if_stopped(f"Stopped. What ran is recorded in {opened.uri}; the same command goes on from there.")
    with composition.display(quiet) as shown, opened.claims(loaded.study) as claims:
        shown.doing("opening sinks")
        sinks = open_sinks(loaded, opened, shown.say)
        click.get_current_context().call_on_close(lambda: _print_lines(sinks.close()))  # however the command ends
        shown.doing("loading what runs trials")
        checkpoints = opened.checkpoints_uri(loaded.study)
        runner, prepare = composition.engine(executor, address, checked, cache_folder(), checkpoints)
        summary = run_study(
            replace(composition.experiment(checked, cache_folder(), shown.preparing), prepare=prepare),
            opened,
            runner,
            shown,
            retry_failed=retry_failed,
            retrain_students=retrain_students,
            claims=claims,
            budget=limit,
            sinks=sinks,
        )
    click.echo(composition.effects_table(opened, summary.study))
    print_summary(console(), summary, opened.uri)
    print_problems(console(stderr=True), opened.problems)
    sys.exit(EXIT_FAILED if summary.num_failed else 0)


@ablate.command()
@click.argument("words", metavar="STUDY... [OVERRIDES]...", nargs=-1, required=True, shell_complete=study_names)
@WITH
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list with one object a study.")
@QUIET
@boundary
def check(words: tuple[str, ...], parts: tuple[Path, ...], as_json: bool, quiet: bool) -> None:
    """Check study files: print every mistake at once, with its place and remedy.

    Of a sound study: what its comparisons can show, warnings, and what is not on this machine.

    \b
    ablate check quickstart
    ablate check my_study.yaml other.yaml search.trials=8
    ablate check my_study.yaml --with my_loss.py
    """
    import json

    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.showing.checked import checked_values
    from ablative.orchestrator.showing.checked import refused_values
    from ablative.orchestrator.showing.whereabouts import place
    from ablative.orchestrator.showing.whereabouts import store_uri
    from ablative.search_spaces.errors import StudyError

    studies, overrides = told_apart(words)
    found_mistakes, values = False, []
    for source in studies:
        try:
            checked = composition.load(source, overrides, parts)
            absent = composition.absent(checked)
            values.append(checked_values(source, checked, absent))
            if as_json:
                continue
            click.echo(f"{source}: no mistakes{_count(checked.warnings)}; {_size(checked.study, checked.cells)}")
            if not quiet:
                click.echo(f"  records in {place(store_uri(None, checked.study))}")
            _tell(checked, families=not quiet)
            for line in () if quiet else absent:
                click.echo(f"  not here: {line}")
        except StudyError as error:
            found_mistakes = True
            values.append(refused_values(source, error.mistakes))
            if not as_json:
                click.echo(str(error), err=True)
    if as_json:
        click.echo(json.dumps(values, indent=2))
    sys.exit(EXIT_MISTAKE if found_mistakes else 0)


@ablate.command()
@study_and_overrides()
@STORE
@click.option("--json", "as_json", is_flag=True, help="Print the counts, the cost and what `check --json` says.")
@QUIET
@boundary
def plan(
    study: str, overrides: tuple[str, ...], parts: tuple[Path, ...], store: str | None, as_json: bool, quiet: bool
) -> None:
    """Print the cells and trials of STUDY: what is recorded, what is owed, what that is expected to cost.

    \b
    ablate plan quickstart
    ablate plan my_study.yaml search.trials=8
    """
    _print_plan(study, overrides, parts, store, as_json=as_json, quiet=quiet)


@ablate.command()
@STUDY
@STORE
@ONLY_ANSWERS
@boundary
def status(study: str, store: str | None) -> None:
    """Print how far STUDY is and what failed, from the store alone.

    STUDY is a name in the store, a shipped study's name or a path.

    \b
    ablate status quickstart
    ablate status quickstart --store s3://bucket/results
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.showing.overview import console
    from ablative.orchestrator.showing.overview import print_status
    from ablative.orchestrator.showing.standing import standing

    name, opened = composition.find_study(study, store)
    opened.check(name)
    print_status(console(), standing(opened, name))


@ablate.command()
@STUDY
@STORE
@click.option("--every", type=click.FloatRange(min=0.2), default=2.0, show_default=True, help="Seconds between looks.")
@click.option("--serve", is_flag=True, help="Serve the report of what is recorded so far, on this machine only.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@ONLY_ANSWERS
@boundary
def watch(study: str, store: str | None, every: float, serve: bool, port: int) -> None:
    """Follow a running STUDY, whoever runs it, from any machine that reaches the store.

    In the terminal until the study has ended; with --serve as its report in a browser, which loads itself again when
    something is recorded. Ctrl-C ends the watching, never the study.

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
            click.echo(f"{name} has ended; the page stays until Ctrl-C")
            served.wait()
    finally:
        if served is not None:
            served.close()


@ablate.command()
@click.option("--trainable", metavar="NAME", help="What the study is about [the one that ships].")
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
    """Merge the many small record files of STUDY into a few; no reader sees half of it.

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
            raise StoreError(f"store {opened.uri!r}: a run of {name!r} is compacting it just now; try again later")
        click.echo(f"{opened.compact(name)} trials compacted")
        opened.flatten(name)
    print_problems(console(stderr=True), () if quiet else opened.problems)


for command in (*ANSWERS, export, data, simulate, student, teacher):
    ablate.add_command(command)


def _print_plan(
    source: str,
    overrides: tuple[str, ...],
    parts: tuple[Path, ...],
    uri: str | None,
    *,
    retry_failed: bool = False,
    retrain_students: bool = False,
    as_json: bool = False,
    quiet: bool = False,
) -> None:
    import json
    from dataclasses import asdict

    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.deciding.costs import expected_cost
    from ablative.orchestrator.deciding.earlier import earlier_lines
    from ablative.orchestrator.showing.checked import checked_values
    from ablative.orchestrator.showing.overview import console
    from ablative.orchestrator.showing.overview import print_plan
    from ablative.orchestrator.showing.overview import print_problems
    from ablative.trainables.cache import cache_folder

    checked = composition.load(source, overrides, parts)
    study = checked.study
    store = composition.open_store(uri, study)
    _tell_store(store, study, ["plan", source, *overrides], to_stderr=as_json)
    with composition.display(quiet, doing="plan") as shown:
        queue, missing = composition.planned_queue(
            checked,
            store,
            cache_folder(),
            shown.preparing,
            retry_failed=retry_failed,
            retrain_students=retrain_students,
        )
    records = store.all_records()
    planned = {trial.id for trial in queue.trials()}
    earlier = [] if missing else earlier_lines(queue.inputs, study, queue.cells, records, planned)
    cost = expected_cost(queue.cells, queue.known, records)
    if as_json:
        counts = {"taken": queue.num_taken, "owed": queue.owed(), "missing": missing}
        counts["recorded"] = len(planned & queue.known.keys()) - queue.num_taken
        values = checked_values(source, checked, composition.absent(checked))
        click.echo(json.dumps(values | counts | {"cost": asdict(cost)}, indent=2))
    else:
        students = composition.students_lines(queue, store)
        print_plan(console(), queue, cost, missing=missing, earlier=[*earlier, *students])
        _tell(checked, families=not quiet)
    print_problems(console(stderr=True), () if quiet else store.problems)


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line, err=True)


def _tell_store(store: Store, study: Study, words: Sequence[str], *, to_stderr: bool = False) -> None:
    """Say which store it is and what it holds, and name the one beside the study file if that may be meant."""
    from ablative.orchestrator.showing.whereabouts import hint_beside
    from ablative.orchestrator.showing.whereabouts import store_beside
    from ablative.orchestrator.showing.whereabouts import store_line

    click.echo(store_line(store, study.study), err=to_stderr)
    if (beside := store_beside(words[1], study, store)) is not None:
        click.echo(hint_beside(words, study.study, beside), err=True)


def _tell(checked: Loaded, *, families: bool = True, to_stderr: bool = False) -> None:
    """Print what the comparisons of a study can show, and its warnings."""
    for family in checked.families if families else ():
        click.echo(f"  {family}", err=to_stderr)
    for warning in checked.warnings:
        click.echo(str(warning), err=True)
    for line in checked.catalogue.broken:
        click.echo(f"left out: {line}", err=True)


def _count(warnings: Sequence[object]) -> str:
    return f", {len(warnings)} warning{'s' if len(warnings) > 1 else ''}" if warnings else ""


def _size(study: Any, cells: Any) -> str:
    searched = sum(bool(cell.space) for cell in cells) * study.search.trials * len(study.seeds.search)
    confirmed = len(cells) * len(study.seeds.confirm)
    if study.arms.design == "path":
        return f"{len(cells)} cells to start with, {len(study.arms.factors)} rounds; `ablate plan` counts the trials"
    if study.seeds.sequential:
        least = len(cells) * study.seeds.looks[0]
        return f"{len(cells)} cells, {searched} search trials, {least} to {confirmed} confirm trials"
    return f"{len(cells)} cells, {searched} search trials, {confirmed} confirm trials"


if __name__ == "__main__":
    main()
