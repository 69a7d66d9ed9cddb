"""Preparation: before trials run, and beside trials that do not read its results."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.deciding.change_path import path_configs
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.showing.activity import Activity
from ablative.orchestrator.trials import with_parameters
from ablative.progress import Progress

NICENESS = 15
"""The niceness of Ray's workers; beside a more urgent thread on every core they would hardly start."""
ENDS_WITHIN_S = 30.0
"""How long a run that ends early waits for the present block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The rest of a preparation, computed while trials run that do not read it."""

    compute: Callable[[Progress], None]
    is_read_by: Callable[[Any], bool]
    """Whether a trial of this configuration reads it."""


Prepare = Callable[[Sequence[Any], Progress], Rest | None]
"""Makes the files that trials of these configurations read; reports (stage, done, total).

Returns the rest of the work, or None if there is none.
"""


class Beside:
    """Computes the rest of a preparation in a thread, and knows which cells wait for it; a context manager."""

    def __init__(self, rest: Rest | None, queue: TrialQueue) -> None:
        """Computes nothing yet; without a `rest` no cell ever waits."""
        self._rest = rest
        self._waiting: Collection[str] = _readers(rest, queue) if rest else ()
        self._error: BaseException | None = None
        self._left = threading.Event()
        self._activity = Activity()
        self._thread = threading.Thread(target=self._compute, name="preparation", daemon=True)

    def __enter__(self) -> Beside:
        if self._rest is not None:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()
        if self._rest is not None:
            self._thread.join(ENDS_WITHIN_S)

    def unprepared(self) -> Collection[str]:
        """Return the names of cells that may not start yet. Raises the error of computing the rest."""
        if self._error is not None:
            raise self._error
        return self._waiting

    def told(self) -> str:
        """Return the progress of the rest, as a clause; empty once it is computed."""
        return self._activity.line() if self._waiting else ""

    def left(self) -> float | None:
        """Return the seconds that the present stage of the rest still takes, on the cores that trials run on too.

        0 once all is computed, None while unknown, as between two stages.
        """
        return (self._activity.left() or None) if self._waiting else 0.0

    def _compute(self) -> None:
        assert self._rest is not None
        if sys.platform == "linux":  # where a thread has a niceness of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        try:
            self._rest.compute(self._reach)
            self._waiting = ()
        except _Left:
            pass
        except BaseException as error:  # raised where the driver can see it
            self._error = error

    def _reach(self, stage: str, done: int, total: int) -> None:
        if self._left.is_set():
            raise _Left
        self._activity.reach(stage, done, total)


class _Left(Exception):
    """Stop: nobody waits for the rest any more; its computed blocks stay."""


def owed_configs(queue: TrialQueue) -> list[Any]:
    """Return every configuration that the unfinished cells may run, as far as preparation can tell them apart."""
    configs: dict[Any, None] = dict.fromkeys(path_configs(queue.study, queue.inputs))
    for cell in queue.cells:
        if not cell.has_ended:
            configs.update(dict.fromkeys(_configs_of(cell, queue)))
    return list(configs)


def _configs_of(cell: CellTrials, queue: TrialQueue) -> list[Any]:
    trainable = queue.inputs.trainable
    configs = [with_parameters(trainable, cell.config, {})]
    for path, domain in cell.cell.space:
        configs += (with_parameters(trainable, cell.config, {path: value}) for value in domain.probes())
    return [*configs, *(trial.config for trial in cell.trials)]


def _readers(rest: Rest, queue: TrialQueue) -> frozenset[str]:
    going = (cell for cell in queue.cells if not cell.has_ended)
    return frozenset(cell.cell.name for cell in going if any(map(rest.is_read_by, _configs_of(cell, queue))))
