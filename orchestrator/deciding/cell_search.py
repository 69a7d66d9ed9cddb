"""The search of one cell: batch after batch, each a function of the study and of the batches before it.

Timing plays no part: a rung is decided from curves alone, when every setting of its batch has reached it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any

from ablative.orchestrator.deciding.endings import Result
from ablative.orchestrator.deciding.recorded import Settled
from ablative.orchestrator.deciding.trial_maker import TrialMaker
from ablative.orchestrator.reached import reached
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.configuration import value_at
from ablative.search_spaces.design import Cell
from ablative.search_spaces.proposals import SAMPLERS
from ablative.search_spaces.proposals import Proposer
from ablative.search_spaces.proposals import Setting
from ablative.search_spaces.space import grid
from ablative.search_spaces.stopping import Curve
from ablative.search_spaces.stopping import Verdict
from ablative.search_spaces.stopping import best_so_far
from ablative.search_spaces.stopping import rule_of
from ablative.search_spaces.study import Study

Known = Mapping[str, Result]
"""Trial id -> how it ended."""
Curves = Mapping[str, Sequence[float]]
"""Trial id -> target on val at each evaluation so far; needed if the study has a stopping rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """One setting of the search, with a trial for each search seed."""

    parameters: dict[str, Any]
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The trials that a cell wants next."""

    run: tuple[Trial, ...] = ()
    """Trials without a result that are to run, to their end or to a rung."""
    stop: tuple[Trial, ...] = ()
    """Trials that lost at a rung."""


@dataclass(slots=True, kw_only=True)
class CellSearch:
    """Settings of one cell, in the order proposed. `advance` is the only method that changes it."""

    study: Study
    cell: Cell
    cell_id: str
    config: Any
    evaluations: int
    """Number of times a trial of the cell reports its target; 0 if unknown, and then no rule may ask."""
    maker: TrialMaker
    settled: Settled
    """Settings that were run are taken from these records, not proposed again."""
    warm: Sequence[Setting] = ()
    """Settings of another study to learn from."""
    seeds: tuple[int, ...]
    """Search seeds that every setting is run with."""
    drawn_with: tuple[int, ...]
    """Seeds that settings are drawn with: all of the search's own, however few it starts with."""
    judges_base: bool = False
    """Whether a cell with nothing to search still runs once, to be compared with others."""
    given: bool = False
    """Whether its settings are given to it (`take`) because arms share them, so that it proposes none."""
    proposed: list[Proposed] = field(default_factory=list)
    done: bool = False
    _batch_start: int = 0
    _lost_at: dict[int, int] = field(default_factory=dict)
    """Setting -> rung at which it was given up."""

    @property
    def budget(self) -> int:
        """Most settings that the search tries; a cell with nothing to search has none."""
        if not self.cell.space:
            return int(self.judges_base)
        most = self.study.search.trials
        ends = SAMPLERS[self.study.search.sampler].ends
        return min(most, len(grid(self.cell.space, self.config))) if ends else most

    def advance(self, known: Known, curves: Curves) -> Step:
        """Return what the search wants now, given the known trials; nothing once it is `done`."""
        while not self.done:
            step = self._open(known, curves)
            if step.run or step.stop:
                return step
            if self.given or self._exhausted(known) or not self._propose_batch(known, curves):
                self.done = True
        return Step()

    def take(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Run these settings next, restricted to the parameters that are searched here."""
        own = {path for path, _ in self.cell.space}
        self._open_batch([{path: value for path, value in one.items() if path in own} for one in settings], ())
        self.done = False

    def extend(self, seeds: tuple[int, ...]) -> None:
        """Run every setting with `seeds`, which begin with those it has run with so far."""
        new = seeds[len(self.seeds) :]
        self.seeds, self.done = seeds, False
        for number, setting in enumerate(self.proposed):
            more = self.maker.trials("search", new, setting.parameters, number)
            self.proposed[number] = replace(setting, trials=setting.trials + more)

    def best(self, known: Known, curves: Curves) -> Setting | None:
        """Return the setting with the best mean target, the earliest of equals; None if none is complete."""
        number = self.best_number(known, curves)
        return None if number is None else self._setting(number, self.proposed[number], known, curves)

    def best_number(self, known: Known, curves: Curves) -> int | None:
        """Return the best setting's number among the proposed ones."""
        ranked = self._ranked(known, curves)
        return min(ranked, key=lambda number: ranked[number], default=None)

    def front(self, known: Known, curves: Curves) -> tuple[int, ...]:
        """Return the Pareto front: no other setting is at least as good in target and cost, and better in one.

        They are numbers of proposals, the cheapest first; empty if the study does not trade target for cost.
        """
        if not self.study.search.trades:
            return ()
        ranked = self._ranked(known, curves)
        front: list[int] = []
        for number in sorted(ranked, key=lambda number: ranked[number][::-1]):
            if not front or ranked[number][0] < ranked[front[-1]][0]:
                front.append(number)
        return tuple(front)

    def _ranked(self, known: Known, curves: Curves) -> dict[int, list[float]]:
        """Return the optimised value of each completed setting, by its number: less is better."""
        proposer = self._proposer()
        sign = -1.0 if self.study.target.mode == "max" else 1.0
        settings = enumerate(self._settings(known, curves))
        found = {number: proposer.targets(setting) for number, setting in settings if setting.state == "completed"}
        return {number: [sign * target, *cost] for number, (target, *cost) in found.items()}

    def is_settled(self, trial: Trial, known: Known) -> bool:
        """Return whether the trial has a result that counts here; a stopped trial counts only in its own cell."""
        result = known.get(trial.id)
        return result is not None and (result.status != "stopped" or result.cell_id == self.cell_id)

    def falls_behind(self, trial: Trial, curves: Curves) -> bool:
        """Return whether the rule stops a running trial at the evaluation that it has just reached."""
        rule, of_study = rule_of(self.study.search.stop)
        if rule.of_running is None:
            return False
        own = self._best_so_far(curves.get(trial.id, ()))
        ids = {other.id for setting in self.proposed for other in setting.trials} - {trial.id}
        others = [self._best_so_far(curves[other]) for other in sorted(ids) if other in curves]
        return rule.of_running(own, others, of_study, self.evaluations, self.study.target.mode)

    def _open(self, known: Known, curves: Curves) -> Step:
        """Return the trials that the last batch still wants; decide the rungs that it has completed."""
        batch = self.proposed[self._batch_start :]
        verdict = self._verdict(batch, known, curves)
        self._lost_at.update({self._batch_start + number: rung for number, rung in verdict.stopped.items()})
        run: list[Trial] = []
        stop: list[Trial] = []
        for number, setting in enumerate(batch):
            owed = [trial for trial in setting.trials if not self.is_settled(trial, known)]
            if number in verdict.stopped:
                stop += owed
            elif number not in verdict.running or verdict.waiting_at is None:
                run += owed
            else:
                rung = verdict.waiting_at
                short = [trial for trial in owed if len(curves.get(trial.id, ())) < rung]
                run += [replace(trial, pause_after=rung) for trial in short]
        return Step(run=tuple(run), stop=tuple(stop))

    def _verdict(self, batch: Sequence[Proposed], known: Known, curves: Curves) -> Verdict:
        rule, of_study = rule_of(self.study.search.stop)
        if rule.of_batch is None:
            return Verdict(stopped={}, waiting_at=None, running=tuple(range(len(batch))))
        progress = [self._curve(setting, known, curves) for setting in batch]
        failed = [number for number, setting in enumerate(batch) if self._has_failed(setting, known)]
        return rule.of_batch(progress, failed, of_study, self.evaluations, self.study.target.mode)

    def _curve(self, setting: Proposed, known: Known, curves: Curves) -> Curve:
        """Return the mean over the seeds, up to the evaluation that all have reached.

        A completed trial has reached all.
        """
        seeds = []
        for trial in setting.trials:
            values = self._best_so_far(curves.get(trial.id, ()))
            result = known.get(trial.id)
            if result is not None and result.completed:
                last = values[-1:] or ((result.value,) if result.value is not None else ())
                values += last * (self.evaluations - len(values))
            seeds.append(values)
        return tuple(math.fsum(at) / len(at) for at in zip(*seeds, strict=False))

    def _best_so_far(self, values: Sequence[float]) -> Curve:
        return best_so_far(values, self.study.target.mode)

    def _has_failed(self, setting: Proposed, known: Known) -> bool:
        results = [known.get(trial.id) for trial in setting.trials]
        return any(result is not None and result.status == "failed" for result in results)

    def _exhausted(self, known: Known) -> bool:
        limit = self.study.search.device_seconds
        if limit is not None and self.proposed:
            results = [known.get(trial.id) for setting in self.proposed for trial in setting.trials]
            if math.fsum(result.device_seconds for result in results if result is not None) >= limit:
                return True
        return len(self.proposed) >= self.budget

    def _propose_batch(self, known: Known, curves: Curves) -> bool:
        """Add the next batch; return whether there was anything to add."""
        settings = self.next_batch(self._settings(known, curves))
        self._open_batch(settings, self._floors(known, curves))
        return bool(settings)

    def next_batch(self, earlier: Sequence[Setting]) -> list[dict[str, Any]]:
        """Return the settings to try next, given all `earlier` ones; empty if the search is at its end."""
        start = len(self.proposed)
        if start >= self.budget:
            return []
        return self._batch(start // self.study.search.batch, earlier)[: self.budget - start]

    def _open_batch(self, settings: Sequence[dict[str, Any]], floors: tuple[tuple[int, float], ...]) -> None:
        start = len(self.proposed)
        for number, parameters in enumerate(settings, start):
            trials = self.maker.trials("search", self.seeds, parameters, number)
            if floors:
                trials = tuple(replace(trial, floors=floors) for trial in trials)
            self.proposed.append(Proposed(parameters=parameters, trials=trials))
        self._batch_start = start

    def _batch(self, batch: int, earlier: Sequence[Setting]) -> list[dict[str, Any]]:
        """Return a whole batch: recorded settings, and the proposer's for those not recorded."""
        size = self.study.search.batch
        recorded = [self._recorded(batch * size + index) for index in range(size)]
        wanted = recorded[: self.budget - batch * size]
        complete = [parameters for parameters in wanted if parameters is not None]
        if len(complete) == len(wanted):
            return complete
        warm = [replace(setting, cost=self._cost(setting.parameters)) for setting in self.warm]
        proposed = self._proposer().propose(batch, size, earlier, warm)
        return [new if kept is None else kept for kept, new in zip(recorded, proposed, strict=False)]

    def _recorded(self, proposal: int) -> dict[str, Any] | None:
        """Return the recorded setting number `proposal`, if it was run on the present data and teacher."""
        for seed in self.drawn_with:
            trial_id, parameters = self.settled.get((proposal, seed), ("", {}))
            if trial_id and self.maker.trials("search", (seed,), parameters, proposal)[0].id == trial_id:
                return parameters
        return None

    def _proposer(self) -> Proposer:
        return Proposer(
            space=self.cell.space,
            config=self.config,
            sampler=self.study.search.sampler,
            mode=self.study.target.mode,
            trades=self.study.search.trades,
            seeds=self.drawn_with,
        )

    def _cost(self, parameters: Mapping[str, Any]) -> float:
        cost = self.study.search.cost
        if cost is None:
            return 0.0
        value = float(parameters[cost.path] if cost.path in parameters else value_at(self.config, cost.path))
        return (cost.weight or 1.0) * (math.log10(value) if cost.scale == "log" else value)

    def _floors(self, known: Known, curves: Curves) -> tuple[tuple[int, float], ...]:
        rule, of_study = rule_of(self.study.search.stop)
        if rule.floors is None:
            return ()
        trials = [trial.id for setting in self.proposed for trial in setting.trials]
        complete = [curves[trial] for trial in trials if trial in curves and trial in known and known[trial].completed]
        return rule.floors(complete, of_study, self.evaluations)

    def _settings(self, known: Known, curves: Curves) -> list[Setting]:
        return [self._setting(number, setting, known, curves) for number, setting in enumerate(self.proposed)]

    def _setting(self, number: int, setting: Proposed, known: Known, curves: Curves) -> Setting:
        results = [known.get(trial.id) for trial in setting.trials]
        found = reached(None if result is None else (result.status, result.value) for result in results)
        lost = self._lost_at.get(number)
        if found.state == "stopped" or (lost is not None and found.state != "failed"):
            values = self._curve(setting, known, curves)[:lost]
            return Setting(
                parameters=setting.parameters,
                value=None,
                state="stopped",
                intermediate=tuple(enumerate(values, start=1)),
            )
        return Setting(
            parameters=setting.parameters,
            value=found.value,
            state=found.state,
            cost=self._cost(setting.parameters),
        )
