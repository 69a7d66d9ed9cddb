"""What commands share: the option for the store, and the translation of exceptions into an exit status."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ablative.errors import AblativeError
from ablative.orchestrator.commands.signals import stoppable

EXIT_FAILED = 1
"""Some trial failed."""
EXIT_MISTAKE = 2
"""An error that the user can fix: a study, a store, a cluster, missing data, a full disk."""

STORE = click.option("--store", metavar="URI", help="Folder or URI of the records [ABLATE_STORE, or the study's own].")
"""Option of the commands that read or write records."""
QUIET = click.option("--quiet", "-q", is_flag=True, help="Print the answer only: no progress, no notes.")
"""Option of commands that take long, or that print notes."""
ONLY_ANSWERS = click.option(
    "--quiet",
    "-q",
    is_flag=True,
    expose_value=False,
    help="Print the answer only; this command prints nothing else anyway.",
)
"""Option of commands that print no notes, so that scripts may pass it to every command."""
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, as docs/schemas describes it.")
"""Option of commands with an answer for programs."""
_IF_STOPPED, _IF_ENDED = "ablate.if_stopped", "ablate.if_ended"


def boundary(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn exceptions into an exit status.

    An error that the user can fix is printed in one line, with status 2; all others keep their traceback. A command
    stopped by Ctrl-C, SIGTERM or SIGHUP cleans up and ends with the status that shells give the signal.

    The command gets the option --verbose, which always shows the traceback, and the logs of packages.
    """

    @click.option("--verbose", "-v", is_flag=True, help="Show the traceback of an error, and the logs of packages.")
    @wraps(command)
    def bounded(*args: Any, verbose: bool, **options: Any) -> Any:
        if verbose:
            logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
        with stoppable() as stop:
            try:
                return command(*args, **options)
            except (click.ClickException, click.exceptions.Exit):
                raise
            except KeyboardInterrupt:
                _stopped(stop.status)
            except Exception as error:  # raised again unless the user can fix it
                if stop.signal is not None:  # a scheduler ends workers and clusters at the same time
                    _stopped(stop.status)
                line = sentence(error, options)
                if line is None:
                    _ended(EXIT_FAILED, f"{type(error).__name__}: {error}")
                    raise
                if verbose:
                    traceback.print_exception(error)
                click.echo(line, err=True)
                _ended(EXIT_MISTAKE, line)
                sys.exit(EXIT_MISTAKE)

    return bounded


def if_stopped(text: str) -> None:
    """Let the command print `text` if it is stopped from now on; nothing if that is empty."""
    click.get_current_context().meta[_IF_STOPPED] = text


def if_ended_early(tell: Callable[[int, str | None], None]) -> None:
    """Call `tell` if the command is cut short from now on.

    It gets the exit status, and the error in a line, or None if a signal stopped the command.
    """
    click.get_current_context().meta[_IF_ENDED] = tell


def _ended(status: int, message: str | None) -> None:
    tell = click.get_current_context().meta.get(_IF_ENDED)
    if tell is not None:
        tell(status, message)


def _stopped(status: int) -> None:
    text = click.get_current_context().meta.get(_IF_STOPPED, "Stopped.")
    with suppress(OSError):  # the terminal may be gone
        if text:
            click.echo(text, err=True)
    _ended(status, None)
    sys.exit(status)


def sentence(error: Exception, options: Mapping[str, Any]) -> str | None:
    """Return the line that explains `error` to the user; None if the user cannot fix it."""
    from ablative.trainables.hindrance import is_full
    from ablative.trainables.hindrance import told

    if isinstance(error, AblativeError):
        return str(error)
    if isinstance(error, BrokenPipeError) or not (isinstance(error, OSError) or is_full(error)):
        return None
    return told(error, _places(options))


def _places(options: Mapping[str, Any]) -> dict[str, Path]:
    """Return the places of a command: the variable or option that names it -> the place."""
    from ablative.trainables.cache import cache_folder

    with suppress(OSError):  # the current folder was removed
        outputs = {"--output": Path(options["output"] or "x").absolute().parent} if "output" in options else {}
        return {**outputs, "ABLATE_CACHE": cache_folder(), "TMPDIR": Path(os.environ.get("TMPDIR", "/tmp"))}
    return {}
