"""Simulated studies: the queue, the search and the records are real, the trials are not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import pyarrow as pa

from ablative.orchestrator.deciding.decisions import Judge
from ablative.orchestrator.deciding.endings import Ending
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.deciding.recorded import Recorded
from ablative.orchestrator.driving.run import Experiment
from ablative.orchestrator.inputs import Inputs
from ablative.orchestrator.simulating.fake_clock import ClockExecutor
from ablative.orchestrator.storing.plan import placed
from ablative.orchestrator.storing.plan import study_content
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.storing.records import Provenance
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import make_record
from ablative.orchestrator.storing.records import record_table
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.content_hash import content_hash
from ablative.search_spaces.design import Cell
from ablative.search_spaces.study import Study
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.trainable import Digests
from ablative.trainables.simulated import SimulatedTrainable

PREFIX = "simulated-"
"""Prefix of the names of simulated studies, and of the digests of their data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRun:
    """One simulated study, run to its end."""

    confirmed: pa.Table
    """Confirm records in `RECORD_SCHEMA`."""
    planned: dict[str, Any]
    """The content of study.json, without the trials."""
    search: int
    """Number of trials, including those that a rule stopped."""
    stopped: int
    confirm: int
    failed: int
    """Of either phase."""
    device_seconds: float
    makespan_s: float
    utilisation: float
    """Share of the slots' time in which they were occupied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanCost:
    """The mean cost of one simulated study."""

    search: float
    """Number of trials, including those that a rule stopped."""
    stopped: float
    confirm: float
    failed: float
    device_hours: float
    makespan_s: float
    utilisation: float


def mean_cost(runs: Sequence[SimulatedRun]) -> MeanCost:
    """Return the means over `runs`; there must be at least one."""

    def mean(value: Callable[[SimulatedRun], float]) -> float:
        return math.fsum(map(value, runs)) / len(runs)

    return MeanCost(
        search=mean(lambda run: run.search),
        stopped=mean(lambda run: run.stopped),
        confirm=mean(lambda run: run.confirm),
        failed=mean(lambda run: run.failed),
        device_hours=mean(lambda run: run.device_seconds) / 3600,
        makespan_s=mean(lambda run: run.makespan_s),
        utilisation=mean(lambda run: run.utilisation),
    )


def simulated_experiment(
    study: Study, cells: Sequence[Cell], inputs: Inputs, simulated: SimulatedTrainable, judge: Judge | None = None
) -> Experiment:
    """Return what `run_study` takes, for an executor that runs `simulated` in place of the study's trainable.

    Neither the study's name nor any trial's identity can be that of a real one.
    """
    return Experiment(
        study=study.model_copy(update={"study": PREFIX + study.study}),
        cells=cells,
        inputs=_inputs(inputs, simulated),
        provenance=Provenance(host="simulated"),
        judge=judge,
    )


def simulate(
    study: Study,
    cells: Sequence[Cell],
    inputs: Inputs,
    simulated: SimulatedTrainable,
    *,
    studies: int,
    seed: int,
    slots: int,
    judge: Judge | None = None,
) -> Iterator[SimulatedRun]:
    """Run the study several times, each with its own noise; the same `seed` gives the same runs."""
    for number in range(studies):
        salted = replace(simulated, salt=f"{simulated.salt}/{seed}/{number}")
        yield _run(simulated_experiment(study, cells, inputs, salted, judge), salted, slots)


def _run(experiment: Experiment, simulated: SimulatedTrainable, slots: int) -> SimulatedRun:
    queue = _queue(experiment)
    clock = ClockExecutor(run_trial=simulated, slots=slots, resources=experiment.study.resources)
    records: list[Record] = []

    def write(ended: Ending) -> Record:
        made = make_record(
            ended.trial, ended.outcome, ended.execution, provenance=experiment.provenance, finished_at=clock.now()
        )
        records.append(made)
        return made

    def finish(trial: Trial, outcome: TrialOutcome, execution: Execution) -> None:
        queue.end(Ending(trial=trial, outcome=outcome, execution=execution), write)

    clock.run(queue, finish)
    confirmed = {trial.id for cell in queue.cells for trial in cell.confirm}
    table = record_table([record for record in records if record.trial_id in confirmed])
    plan = queue.plan()
    phases, endings = Counter(record.phase for record in records), Counter(record.status for record in records)
    return SimulatedRun(
        confirmed=placed(table, plan),
        planned=_without_trials(study_content(experiment.study, experiment.inputs.trainable.roles, plan)),
        search=phases["search"],
        stopped=endings["stopped"],
        confirm=phases["confirm"],
        failed=endings["failed"],
        device_seconds=sum(record.device_seconds for record in records),
        makespan_s=clock.now_s,
        utilisation=clock.utilisation,
    )


def _without_trials(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "cells": [{**cell, "trials": None, "places": ()} for cell in content["cells"]]}


def _queue(experiment: Experiment) -> TrialQueue:
    return TrialQueue(experiment.study, experiment.cells, Recorded(), experiment.inputs, judge=experiment.judge)


def _inputs(inputs: Inputs, simulated: SimulatedTrainable) -> Inputs:
    digests = Digests(data=PREFIX + content_hash(asdict(simulated)))
    return replace(inputs, digests=lambda config: digests)
