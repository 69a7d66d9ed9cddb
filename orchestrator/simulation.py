"""A whole study on a fake clock: real proposals, stopping and records, simulated trials, nothing on a disk."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from math import fsum
from typing import Any

import pyarrow as pa

from orchestrator.endings import Ending
from orchestrator.errors import OrchestratorError
from orchestrator.inputs import Inputs
from orchestrator.plan import study_content
from orchestrator.queue import TrialQueue
from orchestrator.recorded import Recorded
from orchestrator.records import Execution
from orchestrator.records import Provenance
from orchestrator.records import Record
from orchestrator.records import make_record
from orchestrator.records import record_table
from search_spaces.arms import build_arms
from search_spaces.arms import levels
from search_spaces.configuration import replaced
from search_spaces.configuration import value_at
from search_spaces.design import Cell
from search_spaces.study import Study
from search_spaces.wording import one_of
from trainables.config import TrialConfig
from trainables.config import canonical
from trainables.job import Alone
from trainables.simulated import Effect
from trainables.simulated import SimulatedTrainable

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
DIGESTS = ("simulated", "simulated", "simulated")
"""Of data, teacher and student: no simulated trial can pass for a real one."""
SPLITS = ("train", "val", "test")


class SimulationError(OrchestratorError):
    """An effect of something that the study does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStudy:
    """One study that was run to its end."""

    records: pa.Table
    """In `RECORD_SCHEMA`."""
    content: Mapping[str, Any]
    """What its study.json would hold."""
    counts: Mapping[str, int]
    """Trials by `search`, `confirm` and `stopped`."""
    device_seconds: float
    makespan: float
    """Seconds from the first start to the last end, on `slots` slots that start trials at once."""
    utilisation: float
    """Share of the slots' time that trials took."""


def simulate(study: Study, cells: Sequence[Cell], run_trial: SimulatedTrainable, *, slots: int) -> SimulatedStudy:
    """Run `study` once, `slots` trials at a time."""
    inputs = Inputs(splits=lambda config: SPLITS, digests=lambda config: DIGESTS)
    queue = TrialQueue(study, cells, Recorded(), inputs)
    records: list[Record] = []

    def write(ending: Ending) -> Record:
        end = ending.execution.started_at + timedelta(seconds=ending.outcome.seconds)
        records.append(
            make_record(ending.trial, ending.outcome, ending.execution, provenance=Provenance(), finished_at=end)
        )
        return records[-1]

    now, busy, links = 0.0, 0.0, dict[str, Alone]()
    spent: Counter[str] = Counter()
    running: list[tuple[float, int, Ending]] = []
    numbers = itertools.count()
    while not queue.done:
        while len(running) < slots and (trial := queue.next()) is not None:
            outcome = run_trial(trial.job(cache=""), links.setdefault(trial.id, Alone()))
            length = outcome.seconds - spent[trial.id]  # what was paid up to a pause is not paid again
            spent[trial.id] = outcome.seconds  # type: ignore[assignment]
            execution = Execution(started_at=EPOCH + timedelta(seconds=now))
            ending = Ending(trial=trial, outcome=outcome, execution=execution)
            heapq.heappush(running, (now + length, next(numbers), ending))
            busy += length
        now, _, ending = heapq.heappop(running)
        queue.end(ending, write)
    counts: Counter[str] = Counter(record.phase if record.completed else record.status for record in records)
    return SimulatedStudy(
        records=record_table(records),
        content=study_content(study, queue.plan()),
        counts=counts,
        device_seconds=fsum(record.device_seconds for record in records),
        makespan=now,
        utilisation=busy / (slots * now) if now else 1.0,
    )


def named_effects(study: Study, sizes: Mapping[str, float]) -> tuple[Effect, ...]:
    """Return what the named factors, arms and controls are worth.

    A factor that the base has (`without`) is worth its size to every arm that keeps it; other factors, arms and
    controls are worth it to the arms that have them, the base to the arm that agrees with it in all that varies.
    Raises SimulationError for a name that the study does not have.
    """
    base = TrialConfig.model_validate(study.base)
    factors = {name: levels(name, factor, base) for name, factor in study.arms.factors.items()}
    arms = {arm.name: arm.changes for arm in build_arms(study.arms, base)}
    found: list[Effect] = []
    for name, size in sizes.items():
        if name in factors:
            sign = -1.0 if study.arms.factors[name].without is not None else 1.0
            found += [Effect(where=_kept(base, level.changes), size=sign * size) for level in factors[name]]
        elif name in arms:
            varied = {path: value_at(base, path) for changes in arms.values() for path in changes}
            found.append(Effect(where=_kept(base, arms[name] or varied), size=size))
        else:
            expected = one_of(name, dict.fromkeys([*factors, *arms]))
            raise SimulationError(f"--effect {name}={size:g}: found {name}; should be {expected}")
    return tuple(found)


def true_effects(cells: Sequence[Cell], run_trial: SimulatedTrainable) -> dict[str, float]:
    """Return arm -> by how much its mean over the conditions differs from the reference's, at equal settings."""
    plain = replace(run_trial, optima=())
    means: dict[str, list[float]] = {}
    for cell in cells:
        means.setdefault(cell.arm, []).append(plain.mean(TrialConfig.model_validate(cell.config)))
    reference = next(cell.arm for cell in cells if cell.is_reference)
    level = fsum(means[reference]) / len(means[reference])
    return {arm: fsum(found) / len(found) - level for arm, found in means.items()}


def many(
    study: Study, cells: Sequence[Cell], run_trial: SimulatedTrainable, *, slots: int, count: int, salt: str
) -> Iterator[SimulatedStudy]:
    """Run the study `count` times, each time with noise of its own."""
    for number in range(count):
        yield simulate(study, cells, replace(run_trial, salt=f"{salt} {number}"), slots=slots)


def _kept(base: TrialConfig, changes: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return those of `changes` that are still there when what has no effect is removed."""
    config = canonical(replaced(base, changes))
    return tuple((path, value) for path, value in changes.items() if value_at(config, path) == value)
