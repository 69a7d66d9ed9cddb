"""The commands that answer from the records of a study; they run nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from orchestrator.arguments import is_path
from orchestrator.boundary import STORE
from orchestrator.boundary import boundary

_FORMS = ("table", "csv", "json", "jsonl", "markdown", "latex")
_MIXED = click.option(
    "--mixed", is_flag=True, help="Compare also trials that saw other data or are of another version, and say so."
)


@click.command()
@click.argument("words", metavar="[STUDY]... [SQL]", nargs=-1)
@STORE
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
        width = max(map(len, named_queries()))
        for name, answers in named_queries().items():
            click.echo(f"{name:<{width}} {answers}")
        return
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal: give a file with --output.")
    words = tuple(word for word in words if word.strip())
    is_sql = bool(words) and (_is_statement(words[-1]) or (len(words) > 1 and words[-1] in named_queries()))
    names, sql = (words[:-1], words[-1]) if is_sql else (words, None)
    found = [composition.find_study(name, store) for name in names]
    uri = found[0][1].uri if found else composition.open_store(store).uri
    answer = run_query(uri, [name for name, _ in found] or None, sql, form, mixed=mixed, say=_warn)
    if output is not None:
        output.write_bytes(answer)
    else:
        click.echo(answer, nl=form != "parquet" and not answer.endswith(b"\n"))


@click.command()
@click.argument("study")
@STORE
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


@click.command()
@click.argument("first")
@click.argument("second")
@STORE
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


@click.command()
@click.argument("study")
@STORE
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


@click.command()
@click.argument("study")
@STORE
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


@click.command()
@click.argument("study")
@STORE
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


@click.command()
@click.argument("study")
@STORE
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


ANSWERS = (query, power, compare, report, export, table, figures)


def _is_statement(word: str) -> bool:
    """Return whether `word` is SQL; the path of a study may hold blanks too."""
    return " " in word.strip() and not is_path(word)


def _warn(text: str) -> None:
    click.echo(text, err=True)
