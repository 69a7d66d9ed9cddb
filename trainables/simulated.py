"""A trainable that trains nothing: closed-form learning curves with known effects, for load tests and for planning.

The target of a trial, on every split, is

    base + effects + data_gain * log10(data_fraction) - sum over optima (log10(value / best))^2 * loss + noise,

its curve after evaluation e of E is that, less `gap` * (1 - e / E)^2. Noise has a part that all arms of a seed share
and a part of the trial's own. Everything is a function of configuration and seed, so that a trial repeats itself.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass
from dataclasses import replace
from statistics import NormalDist
from typing import Any

from trainables.config import TrialConfig
from trainables.job import Cause
from trainables.job import CurvePoint
from trainables.job import Link
from trainables.job import Status
from trainables.job import TrialJob
from trainables.job import TrialOutcome

STEPS = 100
"""Of a simulated trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a configuration gains if it has all of these values."""

    where: tuple[tuple[str, Any], ...]
    """(Dotted path, value)."""
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """Where a positive number is best, and what is lost a power of ten away from there."""

    path: str
    best: float
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTrainable:
    """A `trainables.job.RunTrial`; picklable. Lengths are in seconds, sizes in units of the target."""

    base: float = 0.5
    effects: tuple[Effect, ...] = ()
    optima: tuple[Optimum, ...] = (Optimum(path="optim.lr", best=5e-4, loss=0.05),)
    data_gain: float = 0.05
    shared_sd: float = 0.02
    """Standard deviation of what all arms of a seed share."""
    own_sd: float = 0.005
    """Standard deviation of what is a trial's own; on each split anew."""
    gap: float = 0.2
    """By which the target falls short before training."""
    seconds: float = 0.0
    """A trial's length with all the data; it is written down, and slept where `sleeps`."""
    sleeps: bool = False
    salt: str = ""
    """Another one gives other noise."""

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial, from its checkpoint if there is one."""
        evaluations = job.config.optim.evaluations
        each = self.length(job.config) / evaluations
        done = self._resumed(job, link)
        curve = [self._point(job, number) for number in range(1, done + 1)]
        status, cause = self._verdict(job, link, curve, cancelled=False) if done else ("completed", "none")
        while status == "completed" and len(curve) < evaluations:
            if self.sleeps:
                time.sleep(each)
            curve.append(self._point(job, len(curve) + 1))
            link.report(curve[-1])
            if len(curve) < evaluations:
                link.save(json.dumps([job.trial_id, len(curve)]).encode())
                status, cause = self._verdict(job, link, curve, cancelled=link.stop_requested())
        return self._outcome(job, tuple(curve), status, cause, each * len(curve))

    def length(self, config: TrialConfig) -> float:
        """Return the seconds of a trial: a quarter of it does not depend on the data."""
        return self.seconds * (0.25 + 0.75 * config.task.data_fraction)

    def target(self, config: TrialConfig, seed: int, split: str) -> float:
        """Return the target of a trial that ran to its end."""
        shared = self.shared_sd * self._normal("shared", seed)
        own = self.own_sd * self._normal("own", config.model_dump_json(), seed, split)
        return self.mean(config) + shared + own

    def mean(self, config: TrialConfig) -> float:
        """Return the target without noise."""
        effects = (effect.size for effect in self.effects if _has(config, effect))
        lost = (o.loss * math.log10(_value(config, o.path) / o.best) ** 2 for o in self.optima)
        return (
            self.base + math.fsum(effects) + self.data_gain * math.log10(config.task.data_fraction) - math.fsum(lost)
        )

    def _point(self, job: TrialJob, number: int) -> CurvePoint:
        evaluations = job.config.optim.evaluations
        short = self.gap * (1 - number / evaluations) ** 2
        value = self.target(job.config, job.seed, "val") - (short if job.target[1] == "max" else -short)
        seconds = self.length(job.config) * number / evaluations
        step = round(STEPS * number / evaluations)
        return CurvePoint(step=step, split="val", metric=job.target[0], value=value, seconds=seconds)

    def _verdict(self, job: TrialJob, link: Link, curve: list[CurvePoint], *, cancelled: bool) -> tuple[Status, Cause]:
        number = len(curve)
        sign = 1.0 if job.target[1] == "max" else -1.0
        best = max(sign * point.value for point in curve)
        floor = dict(job.floors).get(number)
        if cancelled:
            return "stopped", "cancelled"
        if floor is not None and best < sign * floor:
            return "stopped", "median"
        if job.time_limit_s is not None and curve[-1].seconds > job.time_limit_s:
            return "failed", "time_limit"
        pauses = job.pause_after is not None and job.pause_after <= number < job.config.optim.evaluations
        return ("paused", "none") if pauses else ("completed", "none")

    def _outcome(
        self, job: TrialJob, curve: tuple[CurvePoint, ...], status: Status, cause: Cause, seconds: float
    ) -> TrialOutcome:
        outcome = TrialOutcome(
            status=status,
            cause=cause,
            error="" if status != "failed" else f"{seconds:g} s; the limit is {job.time_limit_s} s",
            curve=curve,
            seconds=seconds,
            device_seconds=seconds,
            samples_seen=curve[-1].step * job.config.optim.batch_size,
            device="simulated",
        )
        metric = job.target[0]
        if status == "completed":
            found = {f"{split}/{metric}": self.target(job.config, job.seed, split) for split in job.evaluate}
            return replace(outcome, metrics=found)
        if status == "stopped":
            best = (max if job.target[1] == "max" else min)(point.value for point in curve)
            return replace(outcome, metrics={f"val/{metric}": best, "train/steps": float(curve[-1].step)})
        return outcome

    def _resumed(self, job: TrialJob, link: Link) -> int:
        """Return how many evaluations the checkpoint has."""
        content = link.load()
        try:
            trial_id, number = json.loads(content or b"null")
        except (ValueError, TypeError):
            return 0
        return int(number) if trial_id == job.trial_id else 0

    def _normal(self, *content: Any) -> float:
        """Return a standard normal number that is a function of `content`."""
        digest = hashlib.sha256(repr((self.salt, *content)).encode()).digest()
        return NormalDist().inv_cdf((int.from_bytes(digest[:6], "big") + 0.5) / 2**48)


def _has(config: TrialConfig, effect: Effect) -> bool:
    return all(_value(config, path) == value for path, value in effect.where)


def _value(config: TrialConfig, path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value
