"""`ablate diff`: how two trials, two arms or two studies differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ablative.orchestrator.commands.boundary import JSON
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.commands.completion import study_names

if TYPE_CHECKING:
    from ablative.orchestrator.deciding.sides import Side


@click.command()
@click.argument("first", shell_complete=study_names)
@click.argument("second", shell_complete=study_names)
@STORE
@click.option("--other-store", metavar="URI", help="Store of SECOND, if it is another one.")
@JSON
@ONLY_ANSWERS
@boundary
def diff(first: str, second: str, store: str | None, other_store: str | None, as_json: bool) -> None:
    """Show how FIRST and SECOND differ: configuration, data, code, environment, result.

    Each is a trial (its id, or enough of it), an arm (STUDY:ARM), or a study. Only records are read.

    \b
    ablate diff quickstart:no_distillation quickstart:clip_td
    ablate diff 4f2a 9c01
    ablate diff quickstart quickstart --other-store s3://bucket/before
    """
    from ablative.orchestrator.showing.diff_answer import diff_answer

    answer = diff_answer(_side(first, store), _side(second, other_store or store))
    click.echo(answer.as_json() if as_json else answer.text().rstrip())


def _side(word: str, uri: str | None) -> Side:
    """Return what a word names: a study of the store, else an arm after a colon, else a trial, else a study file."""
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.deciding.sides import is_trial_id
    from ablative.orchestrator.deciding.sides import study_side
    from ablative.orchestrator.deciding.sides import trial_side

    opened = composition.open_store(uri)
    if word in opened.studies():
        return study_side(opened, word)
    source, colon, arm = word.rpartition(":")
    if colon and "://" not in word:
        name, found = composition.find_study(source, uri)
        return study_side(found, name, arm)
    if is_trial_id(word):
        return trial_side(opened, word)
    name, found = composition.find_study(word, uri)
    return study_side(found, name)
