"""The queue: which trials may run now, are owed, or are done. A pure decision object: no clock, no file, no thread.

The same study gives the same trials, in whatever order records arrive and however many trials run at once.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections import deque
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.deciding.cell_trials import planned
from ablative.orchestrator.deciding.change_path import ChangePath
from ablative.orchestrator.deciding.decisions import Decisions
from ablative.orchestrator.deciding.decisions import EachAlone
from ablative.orchestrator.deciding.decisions import Judge
from ablative.orchestrator.deciding.decisions import Make
from ablative.orchestrator.deciding.endings import Ending
from ablative.orchestrator.deciding.endings import Result
from ablative.orchestrator.deciding.endings import curve_values
from ablative.orchestrator.deciding.endings import result_of
from ablative.orchestrator.deciding.looks import Looks
from ablative.orchestrator.deciding.progress import CellProgress
from ablative.orchestrator.deciding.progress import cell_progress
from ablative.orchestrator.deciding.recorded import Recorded
from ablative.orchestrator.deciding.recorded import SearchHistory
from ablative.orchestrator.deciding.recorded import search_history
from ablative.orchestrator.deciding.shared_search import SharedSearch
from ablative.orchestrator.inputs import Inputs
from ablative.orchestrator.storing.claims import Claims
from ablative.orchestrator.storing.claims import SoleDriver
from ablative.orchestrator.storing.plan import PlannedCell
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.wishes import EVERYTHING
from ablative.orchestrator.storing.wishes import NOTHING
from ablative.orchestrator.storing.wishes import Held
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.design import Cell
from ablative.search_spaces.stopping import rule_of
from ablative.search_spaces.study import Study
from ablative.trainables.job import CurvePoint

Lookup = Callable[[Trial], Record | None]
"""Gives the record of a trial that ran elsewhere, so that it does not run again."""
Write = Callable[[Ending], Record]
"""Records how a trial ended."""
CLAIMED_AT_ONCE = 4


@contextmanager
def _no_collection() -> Iterator[None]:
    """a plan of many trials is not garbage, and searching for garbage takes a third of the time to make it"""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _make(
    study: Study,
    inputs: Inputs,
    history: SearchHistory,
    sharing: Mapping[str, Sequence[Cell]],
    cell: Cell,
    race: tuple[int, ...] | None,
) -> CellTrials:
    return CellTrials(
        study,
        cell,
        inputs,
        history,
        confirm_seeds=study.seeds.confirm[: study.seeds.looks[0]],
        race=race,
        together=sharing.get(repr(cell.condition), ()) if cell.space else (),
    )


def _sharing(study: Study, cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Return the cells that share their settings, by condition; empty if each arm searches for itself."""
    found: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells if study.search.shared else ():
        if cell.space:
            found[repr(cell.condition)].append(cell)
    return found


def _decisions(study: Study, inputs: Inputs, make: Make, judge: Judge | None) -> Decisions:
    if study.search.shared:
        return SharedSearch(study, _of_confirmed(study, inputs, make, judge))
    return _of_confirmed(study, inputs, make, judge)


def _of_confirmed(study: Study, inputs: Inputs, make: Make, judge: Judge | None) -> Decisions:
    if study.arms.design == "path":
        return ChangePath(study, make, inputs)
    if study.seeds.sequential is None:
        return EachAlone(make)
    assert judge is not None, "a study with sequential seeds needs a judge"
    return Looks(study, make, judge)


def _nowhere(trial: Trial) -> Record | None:
    return None


class Begun(Protocol):
    """Receives each trial that is given out."""

    def __call__(self, trial: Trial, *, resumed: bool) -> None:
        """`resumed`: whether it had paused at a rung."""
        ...


def untold(trial: Trial, *, resumed: bool) -> None:
    """Tell nobody."""


class TrialQueue:
    """All trials of a study, in the order in which they may run."""

    def __init__(
        self,
        study: Study,
        cells: Sequence[Cell],
        recorded: Recorded,
        inputs: Inputs,
        *,
        lookup: Lookup = _nowhere,
        claims: Claims | None = None,
        judge: Judge | None = None,
        retry_failed: bool = False,
        again: Collection[str] = (),
        heeded: Callable[[], Held] = lambda: NOTHING,
        begun: Begun = untold,
    ) -> None:
        """Start from the records. `retry_failed` owes failed trials again; without `claims` everything is granted.

        `again`: recorded trials that are owed again. `heeded`: returns the cells that people hold now. `begun`:
        receives each trial that is given out. `judge`: needed if the study has sequential seeds.
        """
        self.study = study
        self.inputs = inputs
        self.known: dict[str, Result] = {}
        """Trial id -> how it ended, for every trial that is not owed."""
        self.num_taken = 0
        """Trials found by `lookup`."""
        self.version = 0
        """Grows whenever the plan changes: trials were added, or a cell ended."""
        self.closed = False
        """Whether nothing more starts, even if it is owed."""
        for record in recorded.records:
            if (record.status != "failed" or not retry_failed) and record.trial_id not in again:
                self.known[record.trial_id] = result_of(record, study)
        self.curves: dict[str, Sequence[float]] = dict(recorded.curves)
        """Trial id -> target on val at each evaluation so far, if the study has a stopping rule."""
        self._lookup = lookup
        self._claims = claims or SoleDriver()
        self._heeded, self.held = heeded, NOTHING
        self._unprepared: Callable[[], Collection[str]] = tuple
        self._kept_back: Collection[str] = ()
        """Names of the cells that wait for preparation."""
        self._begun = begun
        self._ready: deque[Trial] = deque()
        self._mine: deque[Trial] = deque()
        self._elsewhere: dict[str, Trial] = {}
        self._running: dict[str, Trial] = {}
        self._pending: set[str] = set()
        """Ids of the trials in these four."""
        self._paused: dict[str, Ending] = {}
        """Cost so far of the trials that have paused at a rung."""
        self._live: dict[str, dict[int, float]] = defaultdict(dict)
        self._cancelled: set[str] = set()
        self._seen = {
            (record.trial_id, record.finished_at)
            for record in recorded.records
            if not record.completed or record.trial_id in again
        }
        """Records of trials that may be owed again: failed and stopped ones, and those named."""
        self._cells_of: dict[str, list[CellTrials]] = defaultdict(list)
        history = search_history(recorded, study.target.metric)
        make = partial(_make, study, inputs, history, _sharing(study, cells))
        self._decisions = _decisions(study, inputs, make, judge)
        with _no_collection():
            self.cells = self._decisions.begin(cells)
            self._present, self._open = set(self.cells), set(self.cells)
            self._advance(self.cells)

    @property
    def done(self) -> bool:
        """Whether every trial has its record, or nothing more is to start; and nothing runs."""
        if self._running or self.closed:
            return not self._running
        if self.held.cancelled:  # anything else still open waits for results of cancelled trials
            return all(map(self._is_cancelled, self._pending))
        return not (self._open or self._pending)

    @property
    def waits(self) -> bool:
        """Whether the trials owed wait for other drivers, for people, or for preparation."""
        return bool(self._elsewhere or self.held.paused or self._kept_back) and not self.closed

    @property
    def waits_for_others(self) -> bool:
        """Whether other drivers run the trials that this one would."""
        return bool(self._elsewhere) and not self.closed

    @property
    def observes(self) -> bool:
        """Whether `observe` needs the curves of running trials."""
        return rule_of(self.study.search.stop)[0].observes

    @property
    def num_running(self) -> int:
        """Number of trials that were given out and have not come back."""
        return len(self._running)

    def await_prepared(self, unprepared: Callable[[], Collection[str]]) -> None:
        """Start no trial of the cells that `unprepared` names on each call. Errors from it pass through `next`."""
        self._unprepared = unprepared

    def next(self) -> Trial | None:
        """Return a trial that may start now and count it as running; None while nothing is ready."""
        self.held, self._kept_back = self._heeded(), self._unprepared()
        if EVERYTHING in self.held.cancelled:
            self.close()
        if self.closed or EVERYTHING in self.held.paused:
            return None
        while (trial := self._first_of_mine()) is None:
            if not self._claim():
                return None
        self._running[trial.id] = trial
        self._begun(trial, resumed=trial.id in self._paused)
        return trial

    def close(self) -> None:
        """Start nothing more; running trials come to their end."""
        self.closed = True

    def observe(self, trial: Trial, point: CurvePoint) -> bool:
        """Take a point of a running trial's curve; return whether the trial is to be cancelled (ASHA)."""
        if f"{point.split}/{point.metric}" != self.study.target.metric or trial.phase != "search":
            return False
        live = self._live[trial.id]
        live[point.step] = point.value
        self.curves[trial.id] = tuple(live[step] for step in sorted(live))
        cells = self._cells_of[trial.id]
        if not all(cell.falls_behind(trial, self.curves) for cell in cells):
            return False
        self._cancelled.add(trial.id)
        return True

    def end(self, ending: Ending, write: Write) -> None:
        """Take the outcome of a running trial, and let `write` record it and the trials that a rule stops for it."""
        waiting = deque(self._ended(ending))
        while waiting:
            ended = waiting.popleft()
            waiting += self.record(write(ended), ended.outcome.curve)

    def record(self, record: Record, curve: Sequence[CurvePoint] = ()) -> list[Ending]:
        """Take a record; it may decide further trials. Return the trials that it stops, to be recorded as well."""
        self._forget(record.trial_id)
        self.known[record.trial_id] = result_of(record, self.study)
        self._keep_curve(record.trial_id, tuple(curve))
        cells = self._cells_of[record.trial_id]
        stopped = self._advance(cells)
        self._claims.release([record.trial_id, *(cell.id for cell in cells if cell.state != "search")])
        return stopped

    def owed(self) -> int:
        """Return how many trials are still to run; duplicates among undecided settings are not foreseen."""
        undecided = sum(cell.undecided_search + cell.undecided_confirm for cell in self._open)
        return len(self._pending | self._paused.keys()) + undecided + self._decisions.undecided()

    def may_follow(self) -> int:
        """Return how many more confirm trials are owed, unless comparisons become clear before."""
        return self._decisions.may_follow()

    def trials(self) -> list[Trial]:
        """Return every trial decided so far, recorded or not, each once."""
        return list({trial.id: trial for cell in self.cells for trial in cell.trials}.values())

    def progress(self) -> list[CellProgress]:
        """Return the progress of each cell, in the study's order."""
        return [cell_progress(cell, self.known, self.curves, self._running) for cell in self.cells]

    def plan(self) -> list[PlannedCell]:
        """Return each cell with its place in the study and its trials decided so far."""
        return [planned(cell) for cell in self.cells]

    def _first_of_mine(self) -> Trial | None:
        """Take out the first claimed trial that is not held; None if there is none."""
        holding = self.held.paused.union(self.held.cancelled, self._kept_back)
        for index, trial in enumerate(self._mine):
            if not (holding and self._is_held(trial.id, holding)):
                del self._mine[index]
                return trial
        return None

    def _is_held(self, trial_id: str, holding: Collection[str]) -> bool:
        """Return whether all cells of a trial are held, by arm or by name."""
        return all(cell.cell.arm in holding or cell.cell.name in holding for cell in self._cells_of[trial_id])

    def _is_cancelled(self, trial_id: str) -> bool:
        return bool(self.held.cancelled) and self._is_held(trial_id, self.held.cancelled)

    def _ended(self, ending: Ending) -> list[Ending]:
        """Return the record to write now."""
        trial = ending.trial
        ending = ending.after(self._paused.pop(trial.id, None))
        if ending.outcome.status == "paused":
            self._forget(trial.id)
            self._paused[trial.id] = ending
            self._keep_curve(trial.id, ending.outcome.curve)
            return self._advance(self._cells_of[trial.id])
        by_rule = trial.id in self._cancelled or ending.outcome.cause == "fell_behind"
        if by_rule and ending.outcome.status == "stopped":
            rule, _ = rule_of(self.study.search.stop)
            return [ending.stopped(rule.name, self.study.target.metric, self.study.target.mode)]
        return [ending]

    def _keep_curve(self, trial_id: str, curve: tuple[CurvePoint, ...]) -> None:
        values = curve_values(curve, self.study.target.metric) if self.study.search.stop else ()
        if len(values) >= len(self.curves.get(trial_id, ())) and values:
            self.curves[trial_id] = values

    def _forget(self, trial_id: str) -> None:
        self._running.pop(trial_id, None)
        self._elsewhere.pop(trial_id, None)
        self._pending.discard(trial_id)

    def _advance(self, cells: Iterable[CellTrials]) -> list[Ending]:
        """Bring cells forward, and others decided with them; return the trials that this stops."""
        stopped: list[Ending] = []
        changed = list(cells)
        while changed:
            advanced = [cell for cell in changed if not cell.has_ended]
            for cell in advanced:
                stopped += self._advance_one(cell)
            changed = self._decide(advanced)
            self._open.difference_update(cell for cell in (*advanced, *changed) if cell.has_ended)
            self.version += bool(changed)
        return stopped

    def _advance_one(self, cell: CellTrials) -> list[Ending]:
        before = (cell.state, len(cell.proposed))
        step = cell.advance(self.known, self.curves)
        while sum(self._enter(trial, cell) for trial in step.run):  # a record that was found may decide more
            step = cell.advance(self.known, self.curves)
        self.version += (cell.state, len(cell.proposed)) != before
        lost = (trial for trial in step.stop if trial.id in self._paused and trial.id not in self._pending)
        return [self._stop(trial) for trial in lost]

    def _decide(self, advanced: Sequence[CellTrials]) -> list[CellTrials]:
        """Decide everything that waits for results of several cells.

        Return the cells that this has changed or made.
        """
        changed = self._decisions.decide(advanced, self.known)
        new = [cell for cell in changed if cell not in self._present]
        if new:
            self._present.update(new)
            self._open.update(new)
            self.cells = self._decisions.order([*self.cells, *new])
        return changed

    def _stop(self, trial: Trial) -> Ending:
        ending = self._paused.pop(trial.id)
        rule, _ = rule_of(self.study.search.stop)
        return ending.stopped(rule.name, self.study.target.metric, self.study.target.mode)

    def _enter(self, trial: Trial, cell: CellTrials) -> bool:
        """Make a trial ready unless it is already under way; return whether its record was found instead."""
        if cell not in self._cells_of[trial.id]:
            self._cells_of[trial.id].append(cell)
        if trial.id in self._pending:
            return False
        found = self._lookup(trial) if trial.id not in self._paused else None
        if found is not None:
            self.known[trial.id] = result_of(found, self.study)
            self.num_taken += 1
            return True
        self._pending.add(trial.id)
        self._ready.append(trial)
        return False

    def _claim(self) -> bool:
        """Claim some of the ready trials; return whether there was anything to claim."""
        if not self._ready and self._elsewhere and self._claims.is_due():
            self._ready += self._elsewhere.values()
            self._elsewhere.clear()
        if not self._ready:
            return False
        block = [self._ready.popleft() for _ in range(min(CLAIMED_AT_ONCE, len(self._ready)))]
        granted = self._claims.claim({self._key(trial) for trial in block})
        recorded = {record.trial_id: record for record in self._claims.recorded(block) if self._is_new(record)}
        for trial in block:
            if trial.id in recorded:
                self.record(recorded[trial.id])
            elif self._key(trial) in granted:
                self._mine.append(trial)
            else:
                self._elsewhere[trial.id] = trial
        return True

    def _is_new(self, record: Record) -> bool:
        """Return whether a record is not one that was looked at before and did not count."""
        key = (record.trial_id, record.finished_at)
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def _key(self, trial: Trial) -> str:
        """Return the key to claim for a trial: its cell's whole search, if batches are decided at rungs."""
        stop = self.study.search.stop
        return trial.cell_id if trial.phase == "search" and stop is not None else trial.id
