"""`ablative.check`, `ablative.plan` and `ablative.run`: the commands for notebooks and scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from functools import wraps
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import ParamSpec
from typing import TypeVar

from ablative.errors import AblativeError
from ablative.orchestrator.commands import composition
from ablative.orchestrator.commands import studies
from ablative.orchestrator.commands.arguments import EXECUTORS
from ablative.orchestrator.commands.boundary import sentence
from ablative.orchestrator.commands.signals import stoppable
from ablative.orchestrator.errors import OrchestratorError
from ablative.orchestrator.showing.checked import CheckedStudy
from ablative.search_spaces.document import PLAIN
from ablative.search_spaces.document import refused
from ablative.search_spaces.load import Source
from ablative.trainables.parts.part import PartError

if TYPE_CHECKING:
    from ablative.analysis.views.results import Results
    from ablative.orchestrator.showing.planned import PlannedStudy

Files = str | PathLike[str] | Iterable[str | PathLike[str]]
P = ParamSpec("P")
R = TypeVar("R")


def _in_sentences(done: Callable[P, R]) -> Callable[P, R]:
    """Turn errors such as a full disk into an AblativeError too, with the line that the command prints."""

    @wraps(done)
    def bounded(*args: P.args, **options: P.kwargs) -> R:
        try:
            return done(*args, **options)
        except AblativeError:
            raise
        except Exception as error:  # raised again unless a person can put it right
            line = sentence(error, {})
            if line is None:
                raise
            raise OrchestratorError(line) from error

    return bounded


@_in_sentences
def check(study: Source, /, *, with_: Files = (), **overrides: Any) -> CheckedStudy:
    """Return a sound study: its size, what its comparisons can show, warnings, and data missing on this machine.

    `study`: a shipped study's name, a path, or the contents of a study file as a dict. `with_`: files with parts of
    your own, which are run. `overrides` change the study; `__` stands for a dot: `search__trials=8`.

    Raises AblativeError: its text is every mistake at once, as `ablate check` prints them.
    """
    return studies.check(_asked(study, with_, None, overrides))


@_in_sentences
def plan(
    study: Source,
    /,
    *,
    with_: Files = (),
    store: str | None = None,
    retry_failed: bool = False,
    retrain_students: bool = False,
    quiet: bool = False,
    **overrides: Any,
) -> PlannedStudy:
    """Return the cells and trials of a study: recorded, owed, and the expected cost.

    `study`, `with_` and `overrides`: see `check`. `store`: where its records are; by default ABLATE_STORE, the study's
    own place, or `results`. Writes nothing. Raises AblativeError.
    """
    found = studies.opened(_asked(study, with_, store, overrides))
    again = studies.Again(failed=retry_failed, students=retrain_students)
    return studies.plan(found, composition.display(quiet, doing="plan"), again=again)


@_in_sentences
def run(
    study: Source,
    /,
    *,
    with_: Files = (),
    store: str | None = None,
    executor: str = "ray",
    address: str = "local",
    retry_failed: bool = False,
    retrain_students: bool = False,
    budget: str | None = None,
    quiet: bool = False,
    **overrides: Any,
) -> Results:
    """Run the trials that a study owes, show progress, and return its results; call it again to continue.

    `study`, `with_`, `store` and `overrides`: see `plan`. `executor`: "ray", or "inline" for this process. `address`:
    of the Ray cluster: "local" for a private one, "auto" for the one that runs here, "any" for either. `budget`:
    device time after which nothing more starts, such as "20gpu-h". Raises AblativeError.
    """
    from ablative.orchestrator.showing.overview import summary_lines

    if executor not in EXECUTORS:
        raise OrchestratorError(f"executor {executor!r}; wanted one of {', '.join(EXECUTORS)}")
    found = studies.opened(_asked(study, with_, store, overrides))
    for line in () if quiet else (found.where, *studies.checked(found.asked, found.loaded).cautions()):
        print(line)
    with stoppable():
        summary = studies.run(
            found,
            composition.display(quiet),
            executor=executor,
            address=address,
            again=studies.Again(failed=retry_failed, students=retrain_students),
            budget=budget,
            note=print,
        )
    if not quiet:
        for line in summary_lines(summary, found.store.uri):
            print(line)
    return composition.results(found.store, summary.study)


def _asked(study: Source, with_: Files, store: str | None, overrides: Mapping[str, Any]) -> studies.Asked:
    if not isinstance(study, str | Path | Mapping):
        raise OrchestratorError(
            f"study: found {type(study).__name__}; wanted a shipped study's name, a path, or a dict as in a study file"
        )
    files = [with_] if isinstance(with_, str | PathLike) else list(with_)
    for file in files:
        if not isinstance(file, str | PathLike):
            raise PartError(
                f"with_: found {type(file).__name__}; wanted the path of a Python file that lists its parts in PARTS"
            )
    return studies.Asked(
        source=study,
        overrides=tuple(_override(name, value) for name, value in overrides.items()),
        parts=tuple(map(Path, files)),
        store=store,
    )


def _override(name: str, value: Any) -> str:
    """Return a keyword argument as the command line has it: `a.b=value`."""
    path = name.replace("__", ".")
    try:
        return f"{path}={json.dumps(value, default=refused)}"
    except (TypeError, ValueError) as error:
        raise OrchestratorError(f"{name}: found {error}; wanted {PLAIN}") from None
