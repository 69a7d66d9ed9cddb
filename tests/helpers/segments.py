"""Trials that pause at rungs and stop by rules, run without an engine: curves are a function of the trial."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime

from ablative.orchestrator.deciding.endings import Ending
from ablative.orchestrator.deciding.endings import curve_values
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.storing.records import Execution
from ablative.orchestrator.storing.records import Provenance
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import make_record
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.stopping import best_so_far
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialOutcome

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EVALUATIONS = 4
Fails = Callable[[Trial, int], bool]
"""Whether a trial fails before an evaluation."""


@dataclass(slots=True, kw_only=True)
class Segments:
    """Runs the trials of a queue in segments, in any order, and keeps the records that a store would keep."""

    records: dict[str, Record] = field(default_factory=dict)
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    evaluations: dict[str, int] = field(default_factory=dict)
    """Trial id -> evaluations that were really trained, as checkpoints keep them."""
    fails: Fails = lambda trial, evaluation: False

    def run(self, queue: TrialQueue, slots: int, rng: random.Random, stop_after: int | None = None) -> None:
        """Run at most `stop_after` segments, `slots` at a time, each ending when `rng` says so."""
        running: list[Trial] = []
        count = 0
        while not queue.done and (stop_after is None or count < stop_after):
            while len(running) < slots and (trial := queue.next()) is not None:
                running.append(trial)
            trial = running.pop(rng.randrange(len(running)))
            queue.end(
                Ending(trial=trial, outcome=self._outcome(trial), execution=Execution(started_at=NOW)), self._write
            )
            count += 1

    def _outcome(self, trial: Trial) -> TrialOutcome:
        until = trial.pause_after or EVALUATIONS
        floors = dict(trial.floors)
        for evaluation in range(1, until + 1):
            if self.fails(trial, evaluation):
                return TrialOutcome(status="failed", cause="trainable_error", curve=points(trial, evaluation - 1))
            self.evaluations[trial.id] = max(self.evaluations.get(trial.id, 0), evaluation)
            curve = points(trial, evaluation)
            best = best_so_far([point.value for point in curve], "max")[-1]
            if evaluation in floors and best < floors[evaluation]:
                return TrialOutcome(status="stopped", cause="fell_behind", metrics={"val/accuracy": best}, curve=curve)
        if until < EVALUATIONS:
            return TrialOutcome(status="paused", curve=points(trial, until))
        curve = points(trial, EVALUATIONS)
        best = best_so_far([point.value for point in curve], "max")[-1]
        return TrialOutcome(status="completed", metrics={"val/accuracy": best}, curve=curve, device_seconds=1.0)

    def _write(self, ending: Ending) -> Record:
        record = make_record(ending.trial, ending.outcome, ending.execution, provenance=Provenance(), finished_at=NOW)
        assert record.trial_id not in self.records or not self.records[record.trial_id].completed
        self.records[record.trial_id] = record
        self.curves[record.trial_id] = curve_values(ending.outcome.curve, "val/accuracy")
        return record


def points(trial: Trial, count: int) -> tuple[CurvePoint, ...]:
    """Return the first `count` points of the trial's curve on val."""
    return tuple(
        CurvePoint(step=10 * at, split="val", metric="accuracy", value=_value(trial.id, at), seconds=float(at))
        for at in range(1, count + 1)
    )


def _value(trial_id: str, at: int) -> float:
    digest = hashlib.sha256(f"{trial_id} {at}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32
