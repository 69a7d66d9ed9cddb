"""The metrics of a running study at Ray's Prometheus endpoints; `cluster/grafana.json` draws them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.util import metrics

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.trainables.job import TrialOutcome

PREFIX = "ray_"
"""Ray's prefix of metric names; counters also get the suffix `_total`."""
GAUGES: Mapping[str, tuple[str, str]] = {
    "ablate_trials": ("state", "Trials of the plan: completed, stopped, failed, running, or owed and not started."),
    "ablate_slots": ("state", "Slots: busy with a trial, idle, or starting, which includes those that wait for room."),
    "ablate_device_seconds": (
        "kind",
        "Cost so far: device seconds that slots have held, and those that ended trials have used.",
    ),
}
"""Name -> its tag beside `study`, and its description."""
COUNTERS: Mapping[str, tuple[str, str]] = {
    "ablate_failures": ("cause", "Failed attempts at trials, by cause, including those that are tried again."),
}
COUNTED_EVERY_S = 5.0
"""Ray sends metrics every ten seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCounts:
    """The number of slots in each state, and the device seconds that all have held."""

    busy: int
    idle: int
    starting: int
    held_s: float


class StudyMetrics:
    """The metrics of one study, sent by its driver and counted by that driver alone."""

    def __init__(self, queue: TrialQueue) -> None:
        self._queue = queue
        self._study = {"study": queue.study.study}
        self._gauges = _made(metrics.Gauge, GAUGES)
        self._counters = _made(metrics.Counter, COUNTERS)
        self._used = 0.0
        self._counted_at = float("-inf")

    def ended(self, outcome: TrialOutcome) -> None:
        """Count an attempt that ended."""
        self._used += outcome.device_seconds
        if outcome.status == "failed":
            self._counters["ablate_failures"].inc(tags={**self._study, "cause": outcome.cause or "unknown"})

    def show(self, slots: SlotCounts) -> None:
        """Send the state of the study, unless it was sent moments ago."""
        if time.monotonic() - self._counted_at < COUNTED_EVERY_S:
            return
        self._counted_at = time.monotonic()
        self._set("ablate_trials", {**trial_counts(self._queue)})
        self._set("ablate_slots", {"busy": slots.busy, "idle": slots.idle, "starting": slots.starting})
        self._set("ablate_device_seconds", {"held": slots.held_s, "used": self._used})

    def _set(self, name: str, values: Mapping[str, float]) -> None:
        tag, _ = GAUGES[name]
        for value, amount in values.items():
            self._gauges[name].set(amount, tags={**self._study, tag: value})


def trial_counts(queue: TrialQueue) -> dict[str, int]:
    """Return the number of the plan's trials in each state."""
    ended = Counter(queue.known[trial.id].status for trial in queue.trials() if trial.id in queue.known)
    running = queue.num_running
    done = {state: ended[state] for state in ("completed", "stopped", "failed")}
    return {**done, "running": running, "owed": max(0, queue.owed() - running)}


def _made(kind: Any, described: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    return {name: kind(name, description=told, tag_keys=("study", tag)) for name, (tag, told) in described.items()}
