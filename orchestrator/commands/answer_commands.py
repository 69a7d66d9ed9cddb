"""The commands that answer from a study's records; they run nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.arguments import is_path
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.commands.completion import beginning
from ablative.orchestrator.commands.completion import study_names

_FORMS = ("table", "csv", "json", "jsonl", "markdown", "latex", "parquet")
_SUFFIXES = {
    ".txt": "table",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".md": "markdown",
    ".tex": "latex",
    ".parquet": "parquet",
    ".html": "html",
}
_OUTPUT = click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the answer to this file, in the form of its suffix.",
)
_MIXED = click.option(
    "--mixed",
    is_flag=True,
    help="Also compare trials that saw different data or come from another version; the output says so.",
)


def _form(forms: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for a command's form, one of `forms`: the given one, the one of the suffix, or the first.

    If JSON is among them, --json is short for --format json.
    """

    def chosen(context: click.Context, parameter: click.Parameter, form: str | None) -> str:
        if context.meta.get(_AS_JSON):
            if form not in (None, "json"):
                raise click.UsageError(f"--json and --format {form}: give one.")
            return "json"
        output = context.params.get("output")
        if form is not None or output is None or not output.suffix:
            return form or forms[0]
        if _SUFFIXES.get(output.suffix.lower()) not in forms:
            known = ", ".join(suffix for suffix, name in _SUFFIXES.items() if name in forms)
            raise click.UsageError(f"--output {output}: unknown suffix; use {known}, or add --format.")
        return _SUFFIXES[output.suffix.lower()]

    option = click.option(
        "--format",
        "form",
        type=click.Choice(forms),
        callback=chosen,
        help=f"Form of the answer [by the suffix of --output, else {forms[0]}].",
    )
    return (lambda command: option(_JSON(command))) if "json" in forms else option


def _ask_json(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    context.meta[_AS_JSON] = asked


_AS_JSON = "ablate.as_json"
_JSON = click.option(
    "--json", is_flag=True, is_eager=True, expose_value=False, callback=_ask_json, help="As --format json."
)
_FORM = _form(_FORMS)


def _query_words(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return a shell's completions of a query's words: named queries, and studies."""
    from ablative.analysis.views.named_queries import named_queries

    return [*beginning(named_queries(), incomplete), *study_names(context, parameter, incomplete)]


@click.command()
@click.argument("words", metavar="[STUDY]... [SQL]", nargs=-1, shell_complete=_query_words)
@STORE
@_OUTPUT
@_FORM
@_MIXED
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Time limit of a statement, in seconds.",
)
@click.option("--list", "listed", is_flag=True, help="Print the named queries and stop.")
@QUIET
@boundary
def query(
    words: tuple[str, ...],
    store: str | None,
    output: Path | None,
    form: Any,
    mixed: bool,
    timeout: float,
    listed: bool,
    quiet: bool,
) -> None:
    """Answer SQL over the views of the given studies, or of all in the store; without SQL, print the effects.

    SQL is a statement in quotes, or the name of a query that comes with the program (--list). Views: studies, trials,
    curves, cells, effects, claims, contrasts, robustness, heterogeneity, profiles, test_size, disagreements,
    importance, budgets, searches, predictions, failures, costs.

    \b
    ablate query quickstart
    ablate query quickstart best
    ablate query quickstart "select arm, avg(seconds) from trials group by arm"
    ablate query "select study, completed, failed from studies"
    ablate query quickstart best -o best.csv
    """
    from ablative.analysis.views.named_queries import named_queries
    from ablative.analysis.views.query import run_query
    from ablative.orchestrator.commands import composition

    if listed:
        width = max(map(len, named_queries()))
        for name, answers in named_queries().items():
            click.echo(f"{name:<{width}} {answers}")
        return
    names, sql = _asked(tuple(word for word in words if word.strip()), store)
    found = [composition.find_study(name, store) for name in names]
    uri = found[0][1].uri if found else composition.open_store(store).uri
    say = _silent if quiet else _warn
    chosen = [name for name, _ in found] or None
    _deliver(run_query(uri, chosen, sql, form, mixed=mixed, timeout=timeout, say=say), form, output)


def _asked(words: tuple[str, ...], store: str | None) -> tuple[tuple[str, ...], str | None]:
    """Return the studies among `words` and the SQL or the named query, which may be the last one."""
    from ablative.analysis.views.named_queries import known_query
    from ablative.analysis.views.named_queries import named_queries
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.errors import UnknownStudyError

    if not words:
        return (), None
    *studies, last = words
    is_study = last in composition.open_store(store).studies()
    if _is_statement(last) or (last in named_queries() and not is_study):
        return tuple(studies), last
    try:
        composition.find_study(last, store)
    except UnknownStudyError as error:
        raise UnknownStudyError(f"{error}\n{known_query(last)}") from error
    return words, None


@click.command()
@STUDY
@STORE
@click.option(
    "--effect", type=click.FloatRange(min=0, min_open=True), required=True, help="True difference to detect."
)
@click.option(
    "--power",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.8,
    show_default=True,
    help="Probability of detecting it.",
)
@_OUTPUT
@_FORM
@_MIXED
@QUIET
@boundary
def power(
    study: str,
    store: str | None,
    effect: float,
    power: float,
    output: Path | None,
    form: Any,
    mixed: bool,
    quiet: bool,
) -> None:
    """Say how many confirm seeds STUDY needs to detect a difference of a given size, judged by its records.

    For a study without records, use `ablate simulate`, which assumes the noise.

    \b
    ablate power quickstart --effect 0.01
    ablate power quickstart --effect 0.005 --power 0.9
    """
    from ablative.analysis.views.formats import render
    from ablative.analysis.views.results import load
    from ablative.analysis.views.seed_advice import advice
    from ablative.analysis.views.seeds_needed import seeds_needed
    from ablative.orchestrator.commands import composition

    name, opened = composition.find_study(study, store)
    results = load(opened.uri, name, mixed=mixed)
    needed = seeds_needed(results.observed(name), results.comparable(name), effect=effect, power=power)
    _deliver(render(needed, form), form, output)
    said = advice(results, name, needed)
    for line in said if form == "table" and output is None else ():
        click.echo(line)
    _note([*results.problems, *(said if form != "table" or output is not None else ())], quiet)


@click.command()
@click.argument("first", shell_complete=study_names)
@click.argument("second", shell_complete=study_names)
@STORE
@click.option("--other-store", metavar="URI", help="Store of SECOND, if it is another one.")
@_OUTPUT
@_FORM
@_MIXED
@QUIET
@boundary
def compare(
    first: str,
    second: str,
    store: str | None,
    other_store: str | None,
    output: Path | None,
    form: Any,
    mixed: bool,
    quiet: bool,
) -> None:
    """Compare two runs of a question, arm by arm: SECOND minus FIRST, paired by task and seed.

    \b
    ablate compare quickstart quickstart_new_teacher
    ablate compare quickstart quickstart --other-store s3://bucket/before
    """
    from ablative.analysis.views.formats import render
    from ablative.analysis.views.results import load
    from ablative.analysis.views.two_runs import compared_runs
    from ablative.analysis.views.two_runs import differences_of_origin
    from ablative.analysis.views.two_runs import late_lines
    from ablative.orchestrator.commands import composition

    found = composition.find_study(first, store), composition.find_study(second, other_store or store)
    names = (found[0][0], found[1][0])
    both = load(found[0][1].uri, names[0], mixed=mixed), load(found[1][1].uri, names[1], mixed=mixed)
    _deliver(render(compared_runs(*both, names), form), form, output)
    late = late_lines([results.plan(name) for results, name in zip(both, names, strict=True)], names)
    shown = form == "table" and output is None
    _note([*both[0].problems, *both[1].problems, *(() if shown else late)], quiet)
    for line in (*late, *differences_of_origin(*both, names)) if shown else ():
        click.echo(line)


@click.command()
@STUDY
@STORE
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File [STUDY.html].")
@_MIXED
@ONLY_ANSWERS
@boundary
def report(study: str, store: str | None, output: Path | None, mixed: bool) -> None:
    """Write one HTML page with the answer, tables, figures and costs; it needs no network.

    \b
    ablate report quickstart
    ablate report quickstart -o quickstart.html
    """
    from ablative.analysis.showing.report import write_report
    from ablative.orchestrator.commands import composition

    name, opened = composition.find_study(study, store)
    click.echo(str(write_report(opened.uri, name, output or Path(f"{name}.html"), mixed=mixed)))


@click.command()
@STUDY
@STORE
@click.option("--metric", help="Split and name, such as test_style/accuracy [the study's headline].")
@_OUTPUT
@_form(("markdown", "latex", "html", "csv"))
@_MIXED
@QUIET
@boundary
def table(
    study: str, store: str | None, metric: str | None, output: Path | None, form: Any, mixed: bool, quiet: bool
) -> None:
    """Print the ablation table of STUDY as papers do: one row per arm, one column per task and data fraction.

    \b
    ablate table quickstart
    ablate table quickstart -o table.tex
    """
    from ablative.analysis.showing.paper_forms import written
    from ablative.analysis.showing.paper_table import paper_table
    from ablative.analysis.views.results import load
    from ablative.orchestrator.commands import composition

    name, opened = composition.find_study(study, store)
    results = load(opened.uri, name, mixed=mixed)
    _deliver(written(paper_table(results, name, metric), form).encode(), form, output)
    _note(results.problems, quiet)


@click.command()
@STUDY
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
@QUIET
@boundary
def figures(
    study: str, store: str | None, output: Path | None, kinds: tuple[Any, ...], mixed: bool, quiet: bool
) -> None:
    """Write the figures of STUDY as files, with their data.

    \b
    ablate figures quickstart
    ablate figures quickstart --kind pdf --kind csv -o paper/figures
    """
    from ablative.analysis.showing.figures import write_figures
    from ablative.orchestrator.commands import composition

    name, opened = composition.find_study(study, store)
    folder, say = output or Path(f"{name}-figures"), _silent if quiet else _warn
    for path in write_figures(opened.uri, name, folder, kinds, mixed=mixed, say=say):
        click.echo(str(path))


ANSWERS = (query, power, compare, report, table, figures)


def _is_statement(word: str) -> bool:
    """Return whether `word` is SQL; the path of a study may hold blanks too."""
    return " " in word.strip() and not is_path(word)


def _deliver(answer: bytes, form: str, output: Path | None) -> None:
    if output is not None:
        output.write_bytes(answer)
    elif form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal: give a file with --output.")
    else:
        click.echo(answer, nl=False)


def _note(problems: Sequence[str], quiet: bool) -> None:
    for problem in () if quiet else dict.fromkeys(problems):
        _warn(problem)


def _warn(text: str) -> None:
    click.echo(text, err=True)


def _silent(text: str) -> None:
    pass
