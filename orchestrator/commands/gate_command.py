"""`ablate gate`: whether a change is better than the accepted arm, at an error probability shared by all changes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary
from ablative.search_spaces.margins import EXPECTED
from ablative.search_spaces.margins import Margin
from ablative.search_spaces.margins import margin_of

_SUFFIXES = {".json": "json", ".md": "markdown"}


class _MarginType(click.ParamType):
    """A margin as a study file writes it."""

    name = "margin"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Margin | None:
        """Return the margin; the error says what is expected."""
        try:
            return margin_of(value if value.endswith("%") else float(value))
        except ValueError:
            self.fail(f"{value!r} is not {EXPECTED}", param, ctx)


@click.command()
@STUDY
@STORE
@click.option("--arm", required=True, help="The proposal.")
@click.option("--against", metavar="ARM", help="The accepted arm [the study's reference arm].")
@click.option("--baseline", metavar="URI", help="Store that holds the same arm as accepted, run by other code.")
@click.option(
    "--margin",
    type=_MarginType(),
    help="Largest difference that does not matter, as 0.01 or as a share of the accepted arm's mean, 2% [the study's "
    "own margin].",
)
@click.option("--ledger", metavar="URI", help="Folder or URI of the ledger [the store of the accepted arm].")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="For a new ledger: probability that any proposal gets a wrong verdict [0.05].",
)
@click.option(
    "--proposals", type=click.IntRange(1, 1000), help="For a new ledger: number of proposals that share alpha [20]."
)
@click.option("--json", "form", flag_value="json", help="Print JSON, as docs/schemas describes it.")
@click.option("--markdown", "form", flag_value="markdown", help="Print Markdown, for a pull request.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the answer to this file, as JSON (.json), Markdown (.md) or text.",
)
@click.option("--mixed", is_flag=True, help="Also compare trials that saw different data; the output says so.")
@QUIET
@boundary
def gate(
    study: str,
    store: str | None,
    arm: str,
    against: str | None,
    baseline: str | None,
    ledger: str | None,
    alpha: float | None,
    proposals: int | None,
    form: str | None,
    output: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Say whether a proposal is better than the accepted arm, equal within a margin, or worse, on paired seeds.

    Each proposal spends a share of one error probability, kept in a ledger; asking again about the same records is
    free. Exit status: 0 better, 3 equal, 4 worse, 5 not decided; 2 not judged, and nothing spent.

    \b
    ablate gate quickstart --arm naive_distillation
    ablate gate my_study.yaml --arm student --baseline s3://bucket/accepted --margin 0.005 --markdown
    """
    from ablative.analysis.showing.gate_answer import gate_answer
    from ablative.analysis.views.gating import gated
    from ablative.orchestrator.storing.folder import Folder
    from ablative.orchestrator.storing.ledger import ALPHA
    from ablative.orchestrator.storing.ledger import PROPOSALS
    from ablative.orchestrator.storing.ledger import Budget
    from ablative.orchestrator.storing.ledger import Ledger

    if against and baseline:
        raise click.UsageError("--against and --baseline: give one; a baseline is the same arm in another store.")
    proposal, accepted, uri, problems = _proposal(study, store, arm, against, baseline, **options)
    book = Ledger(Folder(ledger or uri), proposal.plan.study)
    asked = (
        None if alpha is None and proposals is None else Budget(alpha=alpha or ALPHA, proposals=proposals or PROPOSALS)
    )
    entry, asked_before = book.judged(
        proposal.key,
        lambda share: gated(proposal.item, proposal.plan, share, proposal.margin).verdict,
        arm=arm,
        against=accepted,
        budget=asked,
    )
    found = gated(proposal.item, proposal.plan, entry.share, proposal.margin)
    answer = gate_answer(proposal, found, entry, against=accepted, ledger=book.uri, asked_before=asked_before)
    forms = {"json": lambda: answer.as_json() + "\n", "markdown": answer.markdown}
    text = forms.get(form or _SUFFIXES.get(output.suffix.lower() if output else "", ""), answer.text)()
    if output is not None:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)
    for problem in () if quiet else dict.fromkeys(problems):
        click.echo(problem, err=True)
    sys.exit(answer.exit_status)


def _proposal(
    study: str,
    store: str | None,
    arm: str,
    against: str | None,
    baseline: str | None,
    *,
    margin: Margin | None,
    mixed: bool,
) -> tuple[Any, str, str, list[str]]:
    """Return the proposal, name and store of the accepted arm, and what was left out."""
    from ablative.analysis.views.gating import proposed_arm
    from ablative.analysis.views.gating import proposed_run
    from ablative.analysis.views.results import load
    from ablative.orchestrator.commands import composition

    name, opened = composition.find_study(study, store)
    results = load(opened.uri, name, mixed=mixed)
    if baseline is None:
        found = proposed_arm(results, name, arm, against, margin)
        return found, found.item.arms[1], opened.uri, list(results.problems)
    other, where = composition.find_study(study, baseline)
    before = load(where.uri, other, mixed=mixed)
    found = proposed_run(results, before, (name, other), arm, margin)
    return found, f"the baseline in {baseline}", where.uri, [*results.problems, *before.problems]
