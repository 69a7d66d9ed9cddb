"""Sorts the words of a command line into studies and their overrides."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ablative.orchestrator.commands.completion import study_names
from ablative.places import is_uri

STUDY = click.argument("study", shell_complete=study_names)
"""The study of commands that take one, and no overrides."""
RUNNING_CLUSTER = click.option(
    "--address",
    envvar="ABLATE_ADDRESS",
    default="auto",
    show_default=True,
    help="Ray cluster: auto (the one running here), or its address.",
)
WITH = click.option(
    "--with",
    "parts",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Python file or package folder with parts of your own; its code is executed. Repeatable.",
)
"""Option of the commands that read a study: files of parts that are not bundled."""
EXECUTORS = ("ray", "inline")
"""The executors, by the names that users give."""
STANDARD_INPUT = "-"
_SUFFIXES = (".yaml", ".yml")


def is_path(word: str) -> bool:
    """Return whether there is a file or a folder of this name."""
    return os.path.exists(os.path.expanduser(word))  # no error, whatever the word holds


def is_study(word: str) -> bool:
    """Return whether `word` names a study: a file, a URI, standard input, or a name; an override has an equals sign.

    Folders of other tools hold equals signs too, such as `outputs/lr=0.1/my.yaml`.
    """
    return "=" not in word or is_uri(word.partition("=")[0]) or word.endswith(_SUFFIXES) or is_path(word)


def told_apart(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the studies and the overrides among `words`; raises UsageError if there is no study."""
    studies = tuple(word for word in words if is_study(word))
    overrides = tuple(word for word in words if not is_study(word))
    if not studies:
        given = f"; given: {', '.join(overrides)}" if overrides else ""
        raise click.UsageError(f"No study given: name a shipped study or the path of a study file{given}.")
    if studies.count(STANDARD_INPUT) > 1:
        raise click.UsageError("Standard input (-) can hold one study only; give the others as files.")
    return studies, overrides


def one_study(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the study and the overrides among `words`; raises UsageError unless there is exactly one study."""
    studies, overrides = told_apart(words)
    if len(studies) > 1:
        raise click.UsageError(
            f"One study at a time; given: {', '.join(studies)}. An override is path=value, e.g. search.trials=8."
        )
    return studies[0], overrides


def study_and_overrides(*, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the decorator that gives a command STUDY, OVERRIDES and --with, as `study`, `overrides` and `parts`.

    If not `required`, a command line without words gives None and no overrides.
    """
    metavar = "STUDY [OVERRIDES]..." if required else "[STUDY] [OVERRIDES]..."

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @WITH
        @click.argument("words", metavar=metavar, nargs=-1, required=required, shell_complete=study_names)
        @wraps(command)
        def given(*, words: tuple[str, ...], **options: Any) -> Any:
            study, overrides = one_study(words) if words or required else (None, ())
            return command(study=study, overrides=overrides, **options)

        return given

    return decorate
