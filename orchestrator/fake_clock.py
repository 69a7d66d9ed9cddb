"""The executor on a fake clock: trials take the time that their outcomes state, and no time at all."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from orchestrator.executor import Finish
from orchestrator.queue import TrialQueue
from orchestrator.records import Execution
from orchestrator.trials import Trial
from trainables.job import Alone
from trainables.job import RunTrial
from trainables.job import TrialOutcome

START = datetime(2000, 1, 1, tzinfo=UTC)
"""When every simulated study begins."""


@dataclass(order=True, slots=True, kw_only=True)
class _Running:
    ends_at: float
    order: int
    """Of starting: of trials that end at once, the earlier started ends first."""
    trial: Trial = field(compare=False)
    outcome: TrialOutcome = field(compare=False)
    started_at: datetime = field(compare=False)


class ClockExecutor:
    """Runs trials on so many slots, as events on a fake clock; an `orchestrator.executor.Executor`.

    A trial's outcome is computed when it starts, and handed in when its seconds are over.
    """

    def __init__(self, *, run_trial: RunTrial, slots: int, time_limit_s: float | None = None) -> None:
        """`run_trial` states its outcome's `seconds`, and never raises."""
        self.now_s = 0.0
        """Seconds since the start; after `run`, the makespan."""
        self.busy_s = 0.0
        """Seconds that slots were occupied, summed over slots."""
        self._run_trial = run_trial
        self._slots = slots
        self._time_limit_s = time_limit_s
        self._running: list[_Running] = []
        self._links: dict[str, Alone] = {}
        self._done_s: dict[str, float] = {}
        """Paused trial -> seconds that it has run."""
        self._num_started = 0

    @property
    def utilisation(self) -> float:
        """Share of the slots' time in which they were occupied."""
        return self.busy_s / (self._slots * self.now_s) if self.now_s else 1.0

    def now(self) -> datetime:
        """Return the time on the fake clock."""
        return START + timedelta(seconds=self.now_s)

    def run(self, queue: TrialQueue, finish: Finish) -> None:
        """Run the queue's trials to the end."""
        self._fill(queue)
        while self._running:
            ended = heapq.heappop(self._running)
            self.now_s = ended.ends_at
            finish(ended.trial, ended.outcome, Execution(started_at=ended.started_at))
            self._fill(queue)
        assert queue.done, "the queue owes trials and gives none"

    def _fill(self, queue: TrialQueue) -> None:
        while len(self._running) < self._slots and (trial := queue.next()) is not None:
            self._start(trial)

    def _start(self, trial: Trial) -> None:
        link = self._links.pop(trial.id, None) or Alone()
        outcome = self._run_trial(trial.job(cache="", time_limit_s=self._time_limit_s), link)
        seconds = outcome.seconds - self._done_s.pop(trial.id, 0.0)
        if outcome.status == "paused":
            self._links[trial.id] = link
            self._done_s[trial.id] = outcome.seconds
        self.busy_s += seconds
        self._num_started += 1
        running = _Running(
            ends_at=self.now_s + seconds,
            order=self._num_started,
            trial=trial,
            outcome=outcome,
            started_at=self.now(),
        )
        heapq.heappush(self._running, running)
