"""What commands share: the store they are about, and where exceptions become an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

EXIT_FAILED = 1
"""Some trial failed."""
EXIT_MISTAKE = 2
"""Something that a person can put right: a study, a store, a cluster, missing data."""
EXIT_INTERRUPTED = 130
"""Ctrl-C."""

STORE = click.option("--store", metavar="URI", help="Folder or URI of the records [ABLATE_STORE, or the study's own].")
"""Option of the commands that read or write records."""


def boundary(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print what a person can put right without a traceback and exit with 2; all else keeps its traceback."""

    @wraps(command)
    def bounded(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as error:  # raised again unless a person can put it right
            from orchestrator import composition

            if not isinstance(error, composition.mistakes()):
                raise
            click.echo(str(error), err=True)
            sys.exit(EXIT_MISTAKE)

    return bounded
