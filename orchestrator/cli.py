"""The command line. Each command imports what it needs when it runs, so that `ablate --help` answers at once."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import NoReturn

import click

from orchestrator.boundary import EXIT_FAILED
from orchestrator.boundary import EXIT_INTERRUPTED
from orchestrator.boundary import EXIT_MISTAKE
from orchestrator.boundary import boundary
from orchestrator.data_commands import data
from orchestrator.simulate_command import simulate
from orchestrator.student_commands import student
from orchestrator.teacher_commands import teacher

_FORMS = ("table", "csv", "json", "jsonl", "markdown", "latex")
_STORE = click.option(
    "--store", metavar="URI", help="Folder or URI of the records [ABLATE_STORE, or the study's own]."
)
_MIXED = click.option(
    "--mixed", is_flag=True, help="Compare also trials that saw other data or are of another version, and say so."
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line `ablate`."""
    ablate.main(args=arguments, prog_name="ablate")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="ablate-clip-td", prog_name="ablate")
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
    """


@ablate.command()
@click.argument("study")
@click.argument("overrides", nargs=-1)
@_STORE
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
@click.option("--budget", metavar="TIME", help="Start nothing more once so much device time is spent: 20gpu-h, 90min.")
@click.option("--cold", is_flag=True, help="A new worker group for every trial.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@boundary
def run(
    study: str,
    overrides: tuple[str, ...],
    store: str | None,
    executor: str,
    address: str,
    dry_run: bool,
    retry_failed: bool,
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
    """
    from orchestrator import composition
    from orchestrator.budget import device_seconds

    if dry_run:
        _print_plan(study, overrides, store)
        return
    from orchestrator.overview import console
    from orchestrator.overview import print_problems
    from orchestrator.overview import print_summary
    from orchestrator.run import run_study
    from orchestrator.sinks.sinks import open_sinks
    from trainables.cache import cache_folder

    limit = device_seconds(budget) if budget else None
    loaded, cells = composition.load(study, [*overrides, *(["resources.trials_per_group=1"] if cold else [])])
    opened = composition.open_store(store, loaded)
    sinks = open_sinks(loaded)
    experiment = composition.experiment(loaded, cells, cache_folder())
    try:
        checkpoints = opened.checkpoints_uri(loaded.study)
        runner, prepare = composition.engine(executor, address, loaded, cache_folder(), checkpoints)
        experiment = replace(experiment, prepare=prepare)
        shown = composition.display(quiet)
        with opened.claims(loaded.study) as claims:
            summary = run_study(
                experiment,
                opened,
                runner,
                shown,
                retry_failed=retry_failed,
                claims=claims,
                budget=limit,
                sinks=sinks,
            )
    except KeyboardInterrupt:
        _interrupted(opened.uri)
    click.echo(composition.effects_table(opened, summary.study))
    print_summary(console(), summary, opened.uri)
    print_problems(console(stderr=True), opened.problems)
    sys.exit(EXIT_FAILED if summary.num_failed else 0)


@ablate.command()
@click.argument("studies", metavar="STUDY... [OVERRIDES]...", nargs=-1, required=True)
@boundary
def check(studies: tuple[str, ...]) -> None:
    """Check study files: print every mistake at once, with its place and remedy.

    \b
    ablate check quickstart
    ablate check my_study.yaml other.yaml search.trials=8
    """
    from orchestrator import composition
    from search_spaces.errors import StudyError

    overrides = [word for word in studies if "=" in word]
    found_mistakes = False
    for source in (word for word in studies if "=" not in word):
        try:
            study, cells = composition.load(source, overrides)
            click.echo(f"{source}: no mistakes; {_size(study, cells)}")
        except StudyError as error:
            found_mistakes = True
            click.echo(str(error), err=True)
    sys.exit(EXIT_MISTAKE if found_mistakes else 0)


@ablate.command()
@click.argument("study")
@click.argument("overrides", nargs=-1)
@_STORE
@boundary
def plan(study: str, overrides: tuple[str, ...], store: str | None) -> None:
    """Print the cells and trials of STUDY: what is recorded, what is owed, what that is expected to cost.

    \b
    ablate plan quickstart
    ablate plan my_study.yaml search.trials=8
    """
    _print_plan(study, overrides, store)


@ablate.command()
@click.argument("study")
@_STORE
@boundary
def status(study: str, store: str | None) -> None:
    """Print how far STUDY is and what failed, from the store alone.

    STUDY is a name in the store, a shipped study's name or a path.

    \b
    ablate status quickstart
    ablate status quickstart --store s3://bucket/results
    """
    from orchestrator import composition
    from orchestrator.overview import console
    from orchestrator.overview import print_status
    from orchestrator.standing import standing

    name, opened = composition.find_study(study, store)
    print_status(console(), standing(opened, name))


@ablate.command()
@click.argument("words", metavar="[STUDY]... [SQL]", nargs=-1)
@_STORE
@click.option(
    "--format",
    "form",
    type=click.Choice([*_FORMS, "parquet"]),
    default="table",
    show_default=True,
    help="Form of the answer.",
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write the answer to this file.")
@_MIXED
@click.option("--list", "listed", is_flag=True, help="Print the named queries and stop.")
@boundary
def query(
    words: tuple[str, ...], store: str | None, form: Any, output: Path | None, mixed: bool, listed: bool
) -> None:
    """Answer SQL over the views of some studies, of all in the store if none is given; without SQL, the effects.

    SQL is a statement in quotes, or behind a study the name of a query that comes with the program (--list). Views:
    studies, trials, curves, cells, effects, claims, contrasts, profiles, disagreements, importance, budgets,
    predictions, failures, costs.

    \b
    ablate query quickstart
    ablate query quickstart best
    ablate query quickstart "select arm, avg(seconds) from trials group by arm"
    ablate query "select study, completed, failed from studies"
    ablate query quickstart --format latex -o effects.tex
    """
    from analysis.named_queries import named_queries
    from analysis.query import run_query
    from orchestrator import composition

    if listed:
        for name, answers in named_queries().items():
            click.echo(f"{name:<10} {answers}")
        return
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal: give a file with --output.")
    words = tuple(word for word in words if word.strip())
    is_sql = bool(words) and (" " in words[-1].strip() or (len(words) > 1 and words[-1] in named_queries()))
    names, sql = (words[:-1], words[-1]) if is_sql else (words, None)
    found = [composition.find_study(name, store) for name in names]
    uri = found[0][1].uri if found else composition.open_store(store).uri
    answer = run_query(uri, [name for name, _ in found] or None, sql, form, mixed=mixed, say=_warn)
    if output is not None:
        output.write_bytes(answer)
    else:
        click.echo(answer, nl=form != "parquet" and not answer.endswith(b"\n"))


@ablate.command()
@click.argument("study")
@_STORE
@click.option("--effect", type=click.FloatRange(min=0, min_open=True), required=True, help="True difference to find.")
@click.option(
    "--power",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.8,
    show_default=True,
    help="Probability of finding it.",
)
@click.option("--format", "form", type=click.Choice(_FORMS), default="table", show_default=True)
@_MIXED
@boundary
def power(study: str, store: str | None, effect: float, power: float, form: Any, mixed: bool) -> None:
    """Say how many confirm seeds STUDY needs to find a difference of a stated size, from what it has recorded.

    Before anything is recorded, `ablate simulate` answers with an assumed scatter.

    \b
    ablate power quickstart --effect 0.01
    ablate power quickstart --effect 0.005 --power 0.9
    """
    from analysis.formats import render
    from analysis.results import load
    from analysis.seeds_needed import seeds_needed
    from orchestrator import composition

    name, opened = composition.find_study(study, store)
    results = load(opened.uri, name, mixed=mixed)
    needed = seeds_needed(results.observed(name), results.comparable(name), effect=effect, power=power)
    click.echo(render(needed, form), nl=False)


@ablate.command()
@click.argument("first")
@click.argument("second")
@_STORE
@click.option("--other-store", metavar="URI", help="Where SECOND is, if that is another store.")
@click.option("--format", "form", type=click.Choice(_FORMS), default="table", show_default=True)
@_MIXED
@boundary
def compare(first: str, second: str, store: str | None, other_store: str | None, form: Any, mixed: bool) -> None:
    """Compare two runs of a question, arm by arm: SECOND minus FIRST, paired by task and seed.

    \b
    ablate compare quickstart quickstart_new_teacher
    ablate compare quickstart quickstart --other-store s3://bucket/before
    """
    from analysis.compare import compared
    from analysis.compare import differences_of_origin
    from analysis.formats import render
    from analysis.results import load
    from orchestrator import composition

    found = composition.find_study(first, store), composition.find_study(second, other_store or store)
    names = (found[0][0], found[1][0])
    both = load(found[0][1].uri, names[0], mixed=mixed), load(found[1][1].uri, names[1], mixed=mixed)
    click.echo(render(compared(*both, names), form), nl=False)
    for problem in dict.fromkeys([*both[0].problems, *both[1].problems]):
        _warn(problem)
    for line in differences_of_origin(*both, names) if form == "table" else ():
        click.echo(line)


@ablate.command()
@click.argument("study")
@_STORE
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File [STUDY.html].")
@_MIXED
@boundary
def report(study: str, store: str | None, output: Path | None, mixed: bool) -> None:
    """Write one HTML page with the answer, tables, figures and costs; it needs no network.

    \b
    ablate report quickstart
    ablate report quickstart -o quickstart.html
    """
    from analysis.report import write_report
    from orchestrator import composition

    name, opened = composition.find_study(study, store)
    click.echo(str(write_report(opened.uri, name, output or Path(f"{name}.html"), mixed=mixed)))


@ablate.command()
@click.argument("study")
@_STORE
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="SQLite file [STUDY.optuna.db].")
@boundary
def export(study: str, store: str | None, output: Path | None) -> None:
    """Write the searches of STUDY as Optuna studies, one a cell, which optuna-dashboard opens.

    \b
    ablate export quickstart
    ablate export quickstart -o searches.db && optuna-dashboard sqlite:///searches.db
    """
    from orchestrator import composition
    from orchestrator.optuna_export import export_searches

    name, opened = composition.find_study(study, store)
    target = output or Path(f"{name}.optuna.db")
    count = export_searches(opened, name, target)
    click.echo(f"{target}: {count} cells; open it: optuna-dashboard sqlite:///{target}")


@ablate.command()
@click.argument("study")
@_STORE
@click.option("--metric", help="Split and name, such as test_style/accuracy [the study's headline].")
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "latex", "html", "csv"]),
    default="markdown",
    show_default=True,
    help="LaTeX is for the package booktabs.",
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write the table to this file.")
@_MIXED
@boundary
def table(study: str, store: str | None, metric: str | None, form: Any, output: Path | None, mixed: bool) -> None:
    """Print the ablation table of STUDY as papers do: arms by rows, tasks and data fractions by columns.

    \b
    ablate table quickstart
    ablate table quickstart --format latex -o table.tex
    """
    from analysis.paper_forms import written
    from analysis.paper_table import paper_table
    from analysis.results import load
    from orchestrator import composition

    name, opened = composition.find_study(study, store)
    results = load(opened.uri, name, mixed=mixed)
    text = written(paper_table(results, name, metric), form)
    for problem in results.problems:
        _warn(problem)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


@ablate.command()
@click.argument("study")
@_STORE
@click.option("--output", "-o", type=click.Path(file_okay=False, path_type=Path), help="Folder [STUDY-figures].")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["svg", "png", "pdf", "json", "csv"]),
    default=["svg", "csv"],
    show_default=True,
    help="Picture, Vega-Lite specification (json) or data (csv); may be given several times.",
)
@_MIXED
@boundary
def figures(study: str, store: str | None, output: Path | None, kinds: tuple[Any, ...], mixed: bool) -> None:
    """Write the pictures of STUDY as files, with their data.

    \b
    ablate figures quickstart
    ablate figures quickstart --kind pdf --kind csv -o paper/figures
    """
    from analysis.figures import write_figures
    from orchestrator import composition

    name, opened = composition.find_study(study, store)
    for path in write_figures(opened.uri, name, output or Path(f"{name}-figures"), kinds, mixed=mixed):
        click.echo(str(path))


@ablate.command()
@click.argument("study")
@_STORE
@click.option("--every", type=click.FloatRange(min=0.2), default=2.0, show_default=True, help="Seconds between looks.")
@click.option("--serve", is_flag=True, help="Serve the report of what is recorded so far, on this machine only.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@boundary
def watch(study: str, store: str | None, every: float, serve: bool, port: int) -> None:
    """Follow a running STUDY, whoever runs it, from any machine that reaches the store.

    In the terminal until the study has ended; with --serve as its report in a browser, which loads itself again when
    something is recorded. Ctrl-C ends the watching, never the study.

    \b
    ablate watch quickstart
    ablate watch quickstart --store s3://bucket/results --serve --port 8899
    """
    from orchestrator import composition
    from orchestrator.overview import console
    from orchestrator.watch import watch as follow

    name, opened = composition.find_study(study, store)
    served = composition.serve_report(opened, name, port=port, every=every) if serve else None
    try:
        if served is not None:
            click.echo(f"{served.url} shows {name} until Ctrl-C")
        follow(opened, name, console(), every=every)
        if served is not None:
            click.echo(f"{name} has ended; the page stays until Ctrl-C")
            served.wait()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    finally:
        if served is not None:
            served.close()


@ablate.command()
def schema() -> None:
    """Print the JSON Schema of study files, for editors.

    \b
    ablate schema > study.schema.json
    """
    import json

    from search_spaces.schema import json_schema
    from trainables.arms import ARMS
    from trainables.config import TrialConfig
    from trainables.recipes import RECIPES

    click.echo(json.dumps(json_schema(TrialConfig, controls=tuple(ARMS), recipes=tuple(RECIPES)), indent=2))


@ablate.command()
@click.argument("study")
@_STORE
@boundary
def compact(study: str, store: str | None) -> None:
    """Merge the many small record files of STUDY into a few; no reader sees half of it.

    \b
    ablate compact quickstart
    """
    from orchestrator import composition
    from orchestrator.errors import StoreError
    from orchestrator.overview import console
    from orchestrator.overview import print_problems
    from orchestrator.store import compaction_key

    name, opened = composition.find_study(study, store)
    with opened.claims(name) as claims:
        if not claims.claim({compaction_key(name)}):
            raise StoreError(f"store {opened.uri!r}: a run of {name!r} is compacting it just now; try again later")
        click.echo(f"{opened.compact(name)} trials compacted")
        opened.flatten(name)
    print_problems(console(stderr=True), opened.problems)


ablate.add_command(data)
ablate.add_command(simulate)
ablate.add_command(student)
ablate.add_command(teacher)


def _print_plan(source: str, overrides: tuple[str, ...], uri: str | None) -> None:
    from orchestrator import composition
    from orchestrator.costs import expected_cost
    from orchestrator.overview import console
    from orchestrator.overview import print_plan
    from trainables.cache import cache_folder
    from trainables.config import IDENTITY_VERSION

    study, cells = composition.load(source, overrides)
    store = composition.open_store(uri, study)
    queue, missing = composition.planned_queue(study, cells, store, cache_folder())
    records = [record for name in store.studies() for record in store.records(name)]
    outdated = sum(record.study == study.study and record.identity_version != IDENTITY_VERSION for record in records)
    cost = expected_cost(queue.cells, queue.known, records)
    print_plan(console(), queue, cost, missing=missing, outdated=outdated)


def _warn(text: str) -> None:
    click.echo(text, err=True)


def _interrupted(uri: str) -> NoReturn:
    click.echo(f"Stopped. What ran is recorded in {uri}; the same command goes on from there.", err=True)
    sys.exit(EXIT_INTERRUPTED)


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
