"""A trainable that trains nothing: closed-form learning curves with known effects, to plan studies and test engines.

The target of a trial, on every split, is

    base + effects + data_gain * log10(data_fraction) - sum over optima of loss * (distance / width)^2 + noise,

where the distance of a searched number from its best value is taken in powers of ten, or in its own unit. Its curve
after evaluation e of E is the target on val, less `gap` * (1 - e / E)^2, with noise of its own that is gone at the
end. The noise of the target has a part that all arms share under one seed and one task with its data fraction, and
a part of the trial's own. Everything is a function of configuration and seed, so that a trial repeats itself.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass
from dataclasses import replace
from functools import lru_cache
from statistics import NormalDist
from typing import Any
from typing import Literal

from ablative.trainables.config import ROLES
from ablative.trainables.course import due
from ablative.trainables.job import Cause
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import Link
from ablative.trainables.job import Status
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.trainable import Roles

STEPS = 100
"""Of a simulated trial."""
EVALUATIONS = 4
"""Of a trial whose configuration does not say how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a configuration gains if it has all of these values."""

    where: tuple[tuple[str, Any], ...]
    """(Dotted path, value)."""
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """Where a number is best, and what is lost `width` away from there."""

    path: str
    best: float
    loss: float
    width: float = 1.0
    scale: Literal["log", "linear"] = "log"
    """`log`: distances are in powers of ten, of positive numbers."""

    def lost(self, value: float) -> float:
        """Return what is lost at `value`."""
        distance = math.log10(value / self.best) if self.scale == "log" else value - self.best
        return self.loss * (distance / self.width) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What the configurations of one arm have, whatever is searched in it."""

    where: tuple[tuple[str, Any], ...]
    """(Dotted path, value): the fields that tell the arm's configurations from all others."""
    size: float
    optima: tuple[Optimum, ...] = ()
    """Of what is searched in this arm, in place of the trainable's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTrainable:
    """A `trainables.job.RunTrial`; picklable. Lengths are in seconds, sizes in units of the target."""

    roles: Roles = ROLES
    """Of the configurations that it is given."""
    base: float = 0.5
    effects: tuple[Effect, ...] = ()
    """All that fit are added."""
    levels: tuple[Level, ...] = ()
    """The first that fits is added, and no other."""
    optima: tuple[Optimum, ...] = (Optimum(path="optim.lr", best=5e-4, loss=0.05),)
    data_gain: float = 0.05
    shared_sd: float = 0.02
    """Standard deviation of what all arms share under one seed, task and data fraction."""
    own_sd: float = 0.005
    """Standard deviation of a trial's own noise, drawn separately for each split."""
    curve_sd: float = 0.0
    """Standard deviation of an evaluation early in training, over that of the trial; it shrinks to 0 at the end."""
    gap: float = 0.2
    """By which the target falls short before training."""
    seconds: float = 0.0
    """A trial's length with all the data; it is written down, and slept where `sleeps`."""
    task_lengths: tuple[tuple[str, float], ...] = (("vcr", 4.0),)
    """(Task, length of its trials in those of the others): a question of VCR has four candidates."""
    uneven: float = 0.0
    """Standard deviation of the logarithm of a trial's length."""
    sleeps: bool = False
    workers: int = 1
    """Of a trial; each counts as one device."""
    raises_for: tuple[int, ...] = ()
    """Seeds whose trials raise at the first evaluation."""
    non_finite_for: tuple[int, ...] = ()
    """Seeds whose trials become NaN at the first evaluation."""
    salt: str = ""
    """Another one gives other noise."""

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial, from its checkpoint if there is one."""
        evaluations = self._evaluations(job)
        points = self._points(job)
        done = self._resumed(job, link)
        status, cause = self._verdict(job, points[:done], cancelled=False) if done else ("completed", "none")
        while status == "completed" and done < evaluations:
            self._train(job)
            done += 1
            if not math.isfinite(points[done - 1].value):
                return self._outcome(job, points[:done], "failed", "non_finite")
            link.report(points[done - 1])
            if done < evaluations:
                link.save(json.dumps([job.trial_id, done]).encode())
                status, cause = self._verdict(job, points[:done], cancelled=link.stop_requested())
        return self._outcome(job, points[:done], status, cause)

    def length(self, config: Any, seed: int) -> float:
        """Return the seconds of a trial: a quarter of it does not depend on the data."""
        spread = math.exp(self.uneven * self._normal("length", _key(config), seed)) if self.uneven else 1.0
        task = dict(self.task_lengths).get(self.roles.task_of(config), 1.0)
        return self.seconds * task * spread * (0.25 + 0.75 * self._data_fraction(config))

    def target(self, config: Any, seed: int, split: str) -> float:
        """Return the target of a trial that ran to its end."""
        shared = self.shared_sd * self._normal("shared", seed, self.roles.task_of(config), self._data_fraction(config))
        own = self.own_sd * self._normal("own", _key(config), seed, split)
        return self.mean(config) + shared + own

    def mean(self, config: Any) -> float:
        """Return the target without noise."""
        level = next((level for level in self.levels if _has(config, level.where)), None)
        optima = self.optima if level is None else level.optima
        sizes = [level.size if level else 0.0, *(effect.size for effect in self.effects if _has(config, effect.where))]
        lost = math.fsum(optimum.lost(_value(config, optimum.path)) for optimum in optima)
        return self.base + math.fsum(sizes) + self.data_gain * math.log10(self._data_fraction(config)) - lost

    def _points(self, job: TrialJob) -> tuple[CurvePoint, ...]:
        """Return the whole curve, which depends on nothing that happens to the trial."""
        evaluations = self._evaluations(job)
        end = math.nan if job.seed in self.non_finite_for else self.target(job.config, job.seed, "val")
        length = self.length(job.config, job.seed)
        return tuple(
            CurvePoint(
                step=round(STEPS * number / evaluations),
                split="val",
                metric=job.target[0],
                value=end + self._short(job, number),
                seconds=length * number / evaluations,
            )
            for number in range(1, evaluations + 1)
        )

    def _short(self, job: TrialJob, number: int) -> float:
        """Return by what the target after an evaluation differs from that at the end."""
        left = 1 - number / self._evaluations(job)
        spread = self.curve_sd * left
        noise = spread * self._normal("curve", _key(job.config), job.seed, number) if spread else 0.0
        return noise - (self.gap if job.target[1] == "max" else -self.gap) * left**2

    def _train(self, job: TrialJob) -> None:
        if job.seed in self.raises_for:
            raise RuntimeError(f"seed {job.seed} raises on purpose")
        if self.sleeps:
            time.sleep(self.length(job.config, job.seed) / self._evaluations(job))

    def _verdict(self, job: TrialJob, curve: tuple[CurvePoint, ...], *, cancelled: bool) -> tuple[Status, Cause]:
        best = (max if job.target[1] == "max" else min)(point.value for point in curve)
        ending = due(job, len(curve), best, evaluations=self._evaluations(job), cancelled=cancelled)
        if ending is not None and ending.status == "stopped":
            return ending.status, ending.cause
        if job.time_limit_s is not None and curve[-1].seconds > job.time_limit_s:
            return "failed", "time_limit"
        return ("completed", "none") if ending is None else (ending.status, ending.cause)

    def _outcome(self, job: TrialJob, curve: tuple[CurvePoint, ...], status: Status, cause: Cause) -> TrialOutcome:
        seconds = curve[-1].seconds
        errors = {"time_limit": f"{seconds:g} s; the limit is {job.time_limit_s} s", "non_finite": "the target is nan"}
        outcome = TrialOutcome(
            status=status,
            cause=cause,
            error=errors.get(cause, ""),
            curve=curve,
            seconds=seconds,
            device_seconds=seconds * self.workers,
            num_workers=self.workers,
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

    def _evaluations(self, job: TrialJob) -> int:
        return self.roles.evaluations_of(job.config) or EVALUATIONS

    def _data_fraction(self, config: Any) -> float:
        return self.roles.data_fraction_of(config)

    def _normal(self, *content: Any) -> float:
        """Return a standard normal number that is a function of `content`."""
        digest = hashlib.sha256(repr((self.salt, *content)).encode()).digest()
        return NormalDist().inv_cdf((int.from_bytes(digest[:6], "big") + 0.5) / 2**48)


def _has(config: Any, where: tuple[tuple[str, Any], ...]) -> bool:
    return all(_value(config, path) == value for path, value in where)


@lru_cache(maxsize=256)
def _key(config: Any) -> str:
    """Return the configuration as text; a trial asks for it at every draw."""
    return config.model_dump_json(exclude_defaults=True)


def _value(config: Any, path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value
