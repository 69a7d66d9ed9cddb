"""The sinks that a study switches on, as one: each trial's parameters, curves and metrics are copied there."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Sequence
from importlib import import_module
from typing import Any
from typing import Protocol

from orchestrator.errors import OrchestratorError
from orchestrator.records import Record
from search_spaces.study import Study
from trainables.job import CurvePoint


class Sink(Protocol):
    """One place that trials are copied to."""

    def put(self, record: Record, curve: Sequence[CurvePoint]) -> None:
        """Copy one ended trial."""
        ...


SINKS = {
    "tensorboard": ("orchestrator.sinks.tensorboard", "TensorBoardSink"),
    "mlflow": ("orchestrator.sinks.mlflow", "MlflowSink"),
    "wandb": ("orchestrator.sinks.wandb", "WandbSink"),
}
"""Key of a study's `sinks` -> module and class, called with (value of the key, study's name)."""


class SinkError(OrchestratorError):
    """A sink that cannot be opened."""


class Sinks:
    """All sinks of a run. One that fails is named and left: what it lacks is in the records."""

    def __init__(self, sinks: dict[str, Sink] | None = None) -> None:
        self._sinks = dict(sinks or {})

    def put(self, record: Record, curve: Sequence[CurvePoint], say: Callable[[str], None]) -> None:
        """Copy one ended trial to every sink; `say` is told of a sink that fails, which gets nothing more."""
        for name, sink in list(self._sinks.items()):
            try:
                sink.put(record, curve)
            except Exception as error:  # whatever a foreign package raises: a copy must not end a study
                del self._sinks[name]
                say(
                    f"sinks.{name}: {type(error).__name__}: {error}; no more trials go there, the records are complete"
                )


def open_sinks(study: Study) -> Sinks:
    """Open what the study's `sinks` name; raises `SinkError` where a package is missing or a place is refused."""
    named = study.sinks.model_dump(exclude_none=True) if study.sinks else {}
    return Sinks({name: _opened(name, place, study.study) for name, place in named.items()})


def _opened(name: str, place: str, study: str) -> Sink:
    module, kind = SINKS[name]
    try:
        sink: Sink = getattr(import_module(module), kind)(place, study)
    except ImportError as error:
        raise SinkError(f"sinks.{name}: {error}; install it: pip install 'ablate-clip-td[sinks]'") from error
    except Exception as error:  # whatever a foreign package raises for a place that it cannot use
        raise SinkError(f"sinks.{name}: {place!r}: {type(error).__name__}: {error}") from error
    return sink


def given(record: Record) -> dict[str, Any]:
    """Return what the trial was given: arm, condition, searched parameters and seed, as plain values."""
    varied = {**record.condition, **record.parameters}
    return {"arm": record.arm, "seed": record.seed, **{path: json.loads(value) for path, value in varied.items()}}


def tags(record: Record) -> dict[str, str]:
    """Return by what a trial is found: where it stands in its study, how it ended, and of which code and data."""
    return {
        "study": record.study,
        "arm": record.arm,
        "cell": record.cell,
        "phase": record.phase,
        "status": record.status,
        "cause": record.cause,
        "trial_id": record.trial_id,
        "task": record.task,
        "commit": record.commit or "unknown",
        "data_digest": record.data_digest,
    }


def title(record: Record) -> str:
    """Return a short name of the trial, unique in its study."""
    place = record.phase if record.proposal is None else f"{record.phase}-{record.proposal}"
    return f"{place}-seed-{record.seed}-{record.trial_id[:8]}"
