"""The executor on a fake clock: trials take the time that their outcomes state, and no real time."""

from __future__ import annotations

import heapq
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.driving.executor import Finish
from ablative.orchestrator.driving.handout import Handout
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.study import Resources
from ablative.trainables.job import Alone
from ablative.trainables.job import RunTrial
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome

START = datetime(2000, 1, 1, tzinfo=UTC)
"""When every simulated study begins."""


@dataclass(slots=True)
class _Asked(Alone):
    """A link that asks for the end after so many evaluations."""

    evaluations: int = 0

    def stop_requested(self) -> bool:
        return len(self.points) >= self.evaluations


@dataclass(slots=True, kw_only=True)
class _Running:
    trial: Trial
    outcome: TrialOutcome
    started_s: float
    earlier_s: float
    """Seconds that the trial ran before it paused."""
    observed: int
    """Points of its curve not to pass to the queue: those before a pause, or all."""

    @property
    def next_s(self) -> float:
        """When its next point is there, or else its end."""
        points = self.outcome.curve[self.observed :]
        seconds = points[0].seconds if points else self.outcome.seconds
        return self.started_s + seconds - self.earlier_s


class ClockExecutor:
    """Runs trials on so many slots, as events on a fake clock; an `orchestrator.driving.executor.Executor`.

    It computes a trial's outcome at the start, and hands it in when its seconds are over. If the queue observes
    curves, it sees each point at its time.
    """

    def __init__(self, *, run_trial: RunTrial, slots: int, resources: Resources) -> None:
        """`run_trial` states its outcome's `seconds`, and never raises."""
        self.now_s = 0.0
        """Seconds since the start; after `run`, the makespan."""
        self.busy_s = 0.0
        """Seconds that slots were occupied, summed over slots."""
        self._run_trial = run_trial
        self._slots = slots
        self._resources = resources
        self._events: list[tuple[float, int, _Running]] = []
        """(Time of a trial's next event, number of the event, the trial), the next first."""
        self._num_events = 0
        self._links: dict[str, Alone] = {}
        self._paused: dict[str, TrialOutcome] = {}

    @property
    def utilisation(self) -> float:
        """Share of the slots' time in which they were occupied."""
        return self.busy_s / (self._slots * self.now_s) if self.now_s else 1.0

    def now(self) -> datetime:
        """Return the time on the fake clock."""
        return START + timedelta(seconds=self.now_s)

    def open(self, queue: TrialQueue) -> AbstractContextManager[None]:
        """There is nothing to open."""
        return nullcontext()

    def run(self, queue: TrialQueue, finish: Finish) -> float:
        """Run the queue's trials to the end; return the seconds of all slots, busy or not."""
        handout = Handout(queue, finish)
        while True:
            for trial in handout.give(self._slots):
                self._start(trial, observed=queue.observes)
            if handout.done:
                return self._slots * self.now_s
            self.now_s, _, running = heapq.heappop(self._events)
            if running.observed < len(running.outcome.curve):
                self._observe(handout, running)
                continue
            self.busy_s += self.now_s - running.started_s
            started_at = START + timedelta(seconds=running.started_s)
            handout.end(running.trial.id, running.outcome, started_at=started_at)

    def _start(self, trial: Trial, *, observed: bool) -> None:
        link, earlier = self._links.pop(trial.id, None) or Alone(), self._paused.pop(trial.id, None)
        outcome = self._run_trial(self._job(trial), link)
        if outcome.status == "paused":
            self._links[trial.id], self._paused[trial.id] = link, outcome
        known = len(earlier.curve) if earlier else 0
        running = _Running(
            trial=trial,
            outcome=outcome,
            started_s=self.now_s,
            earlier_s=earlier.seconds if earlier else 0.0,
            observed=known if observed else len(outcome.curve),
        )
        self._push(running)

    def _observe(self, handout: Handout, running: _Running) -> None:
        """Pass on the trial's next point, and cut the trial short if the queue says so."""
        point = running.outcome.curve[running.observed]
        running.observed += 1
        if handout.observe(running.trial.id, point):
            asked = _Asked(evaluations=running.observed)
            running.outcome = self._run_trial(self._job(running.trial), asked)
        self._push(running)

    def _push(self, running: _Running) -> None:
        self._num_events += 1
        heapq.heappush(self._events, (running.next_s, self._num_events, running))

    def _job(self, trial: Trial) -> TrialJob:
        return trial.job(cache="", resources=self._resources)
