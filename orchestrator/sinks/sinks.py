"""All sinks of a study as one: each gets copies of every trial's parameters, curves and metrics."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module

from ablative.orchestrator.errors import OrchestratorError
from ablative.orchestrator.sinks.copier import Copier
from ablative.orchestrator.sinks.copier import Say
from ablative.orchestrator.sinks.copier import Sink
from ablative.orchestrator.sinks.ended import ended_trials
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.study import Study
from ablative.trainables.job import CurvePoint
from ablative.trainables.strangers import said

SINKS = {
    "tensorboard": ("ablative.orchestrator.sinks.tensorboard", "TensorBoardSink"),
    "mlflow": ("ablative.orchestrator.sinks.mlflow", "MlflowSink"),
    "wandb": ("ablative.orchestrator.sinks.wandb", "WandbSink"),
}
"""Key of a study's `sinks` -> module and class, called with (value of the key, study's name)."""
OPEN_S = 60.0
"""Time limit for opening a sink; MLflow takes a while to make a database."""
CLOSE_S = 10.0
"""How long the end of a run waits for its sinks."""
_TRIES = 3
"""Failed trials in a row after which sending is given up."""


class SinkError(OrchestratorError):
    """A sink that cannot be opened, or rejects trials."""


class Sinks:
    """All sinks of a run, each in its own thread. Trials that they lack are recorded, and can be sent later."""

    def __init__(self, copiers: Mapping[str, Copier] | None = None, *, study: str = "", store: str = "") -> None:
        self._copiers = dict(copiers or {})
        self._study, self._store = study, store

    def begin(self) -> None:
        """Start with the trials recorded so far."""
        for copier in self._copiers.values():
            copier.begin(lambda: ended_trials(Store.open(self._store), self._study))

    def put(self, record: Record, curve: Sequence[CurvePoint]) -> None:
        """Have one ended trial copied to every sink; never waits."""
        for copier in self._copiers.values():
            copier.put(record, curve)

    def close(self) -> list[str]:
        """Wait a little for uncopied trials; return a line, with the remedy, for each sink that lacks some."""
        deadline = time.monotonic() + CLOSE_S
        left = {name: copier.close(deadline) for name, copier in self._copiers.items()}
        send = f"ablate export {shlex.quote(self._study)} --store {shlex.quote(self._store)} --to"
        return [
            f"sinks.{name}: {count} trials not copied; `{send} {name}` sends them"
            for name, count in left.items()
            if count
        ]


def open_sinks(study: Study, store: Store, say: Say) -> Sinks:
    """Open the study's `sinks`, within seconds; `say` is called when one fails later, and when it works again.

    Raises `SinkError` if a package is missing, or a place is rejected or does not answer.
    """
    return Sinks(
        {name: _copier(name, place, study.study, say) for name, place in _places(study).items()},
        study=study.study,
        store=store.uri,
    )


def _places(study: Study) -> dict[str, str]:
    return study.sinks.model_dump(exclude_none=True) if study.sinks else {}


def place_of(store: Store, study: str, name: str) -> str:
    """Return the place that a stored study names for a sink; raises `SinkError` if it names none."""
    place = (store.study(study).get("sinks") or {}).get(name)
    if place is None:
        raise SinkError(f"{name}: study {study!r} has no place for it in sinks; give one with --output")
    return str(place)


def send(store: Store, study: str, name: str, place: str, progress: Callable[[int, int], None]) -> tuple[int, int]:
    """Copy to one sink the recorded trials that it lacks; return how many were sent, and how many it already had.

    Raises `SinkError` if it cannot be opened or refuses trials.
    """
    kind = _kind(name)
    with _refusals(name, place):
        sink = kind(place, study)
    ended = list(ended_trials(store, study))
    sent = there = refused = in_a_row = 0
    reason = ""
    for number, (record, curve) in enumerate(ended, start=1):
        try:
            new = sink.put(record, curve)
        except Exception as error:  # whatever a foreign package raises
            refused, in_a_row, reason = refused + 1, in_a_row + 1, said(error)
            if in_a_row == _TRIES:
                break
            continue
        sent, there, in_a_row = sent + new, there + (not new), 0
        progress(number, len(ended))
    if refused:
        left = len(ended) - sent - there
        raise SinkError(
            f"{name}: {place!r}: {reason}\n{left} of {len(ended)} trials not copied; the same command sends them"
        )
    return sent, there


def _kind(name: str) -> Callable[[str, str], Sink]:
    module, kind = SINKS[name]
    try:
        found: Callable[[str, str], Sink] = getattr(import_module(module), kind)
    except ImportError as error:
        raise SinkError(f"sinks.{name}: {error}; install it: pip install 'ablative[sinks]'") from error
    return found


def _copier(name: str, place: str, study: str, say: Say) -> Copier:
    copier = Copier(name, partial(_kind(name), place, study), say)
    with _refusals(name, place):
        copier.opened.result(OPEN_S)
    return copier


@contextmanager
def _refusals(name: str, place: str) -> Iterator[None]:
    remedy = "fix it, or run without it (sinks=null) and copy the trials later with `ablate export`"
    try:
        yield
    except TimeoutError as error:
        raise SinkError(f"sinks.{name}: {place!r}: no answer in {OPEN_S:g} s; {remedy}") from error
    except Exception as error:  # whatever a foreign package raises for a place that it cannot use
        raise SinkError(f"sinks.{name}: {place!r}: {said(error)}; {remedy}") from error
