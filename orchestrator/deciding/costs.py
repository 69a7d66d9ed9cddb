"""The expected cost of a study, from the seconds of earlier recorded trials."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.storing.records import Record
from ablative.trainables.parts.trainable import Exposure

Key = tuple[str | None, float | None, str]
"""(task, data fraction, phase): a trial's seconds depend on these most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Expected cost of the trials still owed."""

    device_seconds: float
    """Sum over the trials with an estimate."""
    low: float
    """The same, if every trial were as short as the shortest tenth of similar ones."""
    high: float
    """The same, if every trial were as long as the longest tenth of similar ones."""
    num_unknown: int
    """Trials without an estimate: no similar trial is recorded yet."""


def expected_cost(cells: Sequence[CellTrials], known: Iterable[str], records: Iterable[Record]) -> Cost:
    """Return the cost of every trial that is not in `known`, estimated from the recorded trials with its key."""
    typical = _typical(records)
    totals, unknown = np.zeros(3), 0
    for _, owed in _owed_by(cells, known):
        for key, count in owed.items():
            if key in typical:
                totals += count * typical[key]
            else:
                unknown += count
    mean, low, high = totals.tolist()
    return Cost(device_seconds=mean, low=low, high=high, num_unknown=unknown)


def owed_sequences(cells: Sequence[CellTrials], known: Iterable[str], exposures: Mapping[str, Exposure]) -> int | None:
    """Return the picture-text sequences that every trial not in `known` trains on, if none is stopped.

    `exposures`: by the cell's name, before its search changes any setting. None if one is unknown.
    """
    total = 0
    for cell, owed in _owed_by(cells, known):
        exposure = exposures.get(cell.cell.name)
        if exposure is None or exposure.seen is None:
            return None
        total += exposure.seen * exposure.sequences_each * sum(owed.values())
    return total


def _typical(records: Iterable[Record]) -> dict[Key, np.ndarray]:
    """Return mean, first and last decile of the device seconds of similar trials; stopped ones count as they were."""
    seconds: dict[Key, list[float]] = defaultdict(list)
    for record in records:
        if record.status != "failed":
            seconds[record.task, record.data_fraction, record.phase].append(record.device_seconds)
    return {key: np.array([np.mean(values), *np.quantile(values, (0.1, 0.9))]) for key, values in seconds.items()}


def _owed_by(cells: Sequence[CellTrials], known: Iterable[str]) -> Iterator[tuple[CellTrials, dict[Key, int]]]:
    """Yield each cell with its trials that are not in `known`; a trial in two cells runs once."""
    done = set(known)
    for cell in cells:
        yield cell, _owed(cell, done)
        done.update(trial.id for trial in cell.trials)


def _owed(cell: CellTrials, done: set[str]) -> dict[Key, int]:
    task, data_fraction = cell.roles.task_of(cell.config), cell.roles.data_fraction_of(cell.config)
    counts = {"search": cell.undecided_search, "confirm": cell.undecided_confirm}
    for trial in {trial.id: trial for trial in cell.trials}.values():
        counts[trial.phase] += trial.id not in done
    return {(task, data_fraction, phase): count for phase, count in counts.items() if count}
