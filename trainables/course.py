"""The course of one trial, for every way to train: evaluations, checkpoints, and early ends. Imports no torch.

    def run(job, link):
        course = Course(job, link, evaluations=job.config.evaluations)
        state = TorchState(course, model=model, optimizer=optimizer)  # of `ablative.trainables.training.state`
        for number in course:
            ...  # train until evaluation `number`
            course.report(step, lambda: accuracy(model, "val"), state.pack)
        return course.outcome(lambda split: accuracy(model, split))

Every worker of a trial has a course, and all agree on how it goes on. Rank 0 measures, saves and reports;
where that fails, all workers fail with its cause.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any
from typing import Literal

from ablative.trainables.errors import NonFinite
from ablative.trainables.errors import Preempted
from ablative.trainables.errors import TimeLimit
from ablative.trainables.job import Cause
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import Link
from ablative.trainables.job import Prediction
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.memory import MemoryPeak
from ablative.trainables.processes import device_name
from ablative.trainables.ranks import Ranks
from ablative.trainables.ranks import current_ranks

WORKERS = "workers"
"""Curve of an elastic trial: with how many workers it went on from a step."""
FORMAT = b"ablative course 1\n"
"""First bytes of a checkpoint; one without them is ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Metrics of one split by plain names, and the score of each example, if those are wanted."""

    metrics: Mapping[str, float]
    predictions: tuple[Prediction, ...] = ()


Measured = float | Mapping[str, float] | Evaluation
"""The result on a split: only the target, or metrics by plain names (`accuracy`), or predictions too."""
State = bytes | Callable[[], bytes]
"""The state from which a trial continues, or a function that makes it on rank 0 only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a course ended."""

    status: Literal["completed", "stopped", "paused"]
    cause: Cause = "none"


def due(job: TrialJob, number: int, best: float, *, evaluations: int, cancelled: bool) -> Ending | None:
    """Return how the engine or a rule of the search ends a trial after evaluation `number`; None if it continues.

    `number` counts from 1; `best`: the best target so far.
    """
    floor = dict(job.floors).get(number)
    sign = 1.0 if job.target[1] == "max" else -1.0
    if cancelled:
        return Ending(status="stopped", cause="cancelled")
    if floor is not None and sign * best < sign * floor:
        return Ending(status="stopped", cause="fell_behind")
    if job.pause_after is not None and job.pause_after <= number < evaluations:
        return Ending(status="paused")
    return None


class Course:
    """Iterate over it for the numbers of the evaluations that are still to come, and report each."""

    def __init__(self, job: TrialJob, link: Link, *, evaluations: int, ranks: Ranks | None = None) -> None:
        """Load the trial's checkpoint, if there is one; every worker must do so.

        `evaluations`: on val, the one at the end included. `ranks`: this worker among the trial's, those of torch's
        process group unless given.
        """
        if evaluations < 1:
            raise ValueError(f"{evaluations} evaluations; a trial must report its target at least once, at its end")
        self.ranks = ranks or current_ranks()
        self.evaluations = evaluations
        self.number = 0
        """Points of past evaluations, including those of earlier attempts."""
        self.step = 0
        """As of the last evaluation."""
        self.resumed: bytes | None = None
        """The state of an earlier attempt from which this one continues; None if it starts from the beginning."""
        self.samples_seen = 0
        """Training examples seen by all workers together; the trial counts them, and checkpoints keep them."""
        self.ending: Ending | None = None
        """None while there is more to train."""
        self._job = job
        self._link = link
        self._metric, mode = job.target
        self._sign = 1.0 if mode == "max" else -1.0
        self._best = -math.inf
        self._curve: list[CurvePoint] = []
        self._memory = MemoryPeak()
        self._seconds_before = self._device_seconds_before = 0.0
        self._started = time.perf_counter()
        self._resume()
        if job.elastic and self._workers_before() != self.ranks.world:
            self._add(self.step, "train", WORKERS, float(self.ranks.world))

    def __iter__(self) -> Iterator[int]:
        """Yield the number of each evaluation to come, counted from 1, until the trial ends or is ended."""
        while self.ending is None:
            following = self.number + 1
            yield following
            if self.number != following:
                raise RuntimeError(
                    f"evaluation {following} was not reported exactly once; call "
                    "course.report(...) at the end of each round"
                )

    @property
    def seconds(self) -> float:
        """Seconds spent on this trial so far, without lost attempts."""
        return self._seconds_before + time.perf_counter() - self._started

    @property
    def best(self) -> float:
        """Best target on val so far; on rank 0."""
        return self._sign * self._best

    def improves(self, target: float) -> bool:
        """Return whether a target on val is better than all earlier ones; ties are not."""
        return self._sign * target > self._best

    def check_time(self, step: int, state: Callable[[], State] | None = None) -> None:
        """Raise TimeLimit if the job's time is up; every worker must call it at the same steps.

        `report` does so too: call it between evaluations that are far apart. `state`, as of `report`: with it, a trial
        whose machine is being drained saves, to continue from this step elsewhere, and raises Preempted.
        """
        limit = self._job.time_limit_s
        is_late = limit is not None and self.seconds > limit
        is_leaving = state is not None and self.ranks.is_first and self._link.leaving()
        is_late, is_leaving = self.ranks.agreed((is_late, is_leaving))
        if is_late:
            raise TimeLimit(f"{self.seconds:.0f} s at step {step}; the limit is {limit:g} s")
        if is_leaving and state is not None:
            self.step, found = step, state()
            self.ranks.on_first(lambda: self._save(found))
            raise Preempted(f"saved at step {step}")

    def report(
        self,
        step: int,
        measure: Callable[[], Measured],
        state: Callable[[], State] | None = None,
        losses: Mapping[str, float] | None = None,
    ) -> bool:
        """Evaluate on val, report the target, save, and decide; return whether there is more to train.

        `step`: training steps so far. `measure`: called on rank 0 only. `state`: called on every worker
        after that, so that it may gather; without it, a lost or paused trial starts over. `losses`: means since the
        last evaluation, for the curve. Raises NonFinite for a loss or a target that is not finite, and
        TimeLimit.
        """
        self.check_time(step)
        self.ranks.on_first(lambda: self._evaluate(step, measure, losses or {}))
        self.number, self.step = self.number + 1, step
        self.reached(self.number / self.evaluations)
        self._memory.look()
        if self.number == self.evaluations:
            self.ending = Ending(status="completed")
        else:
            found = None if state is None else state()
            self.ending = self.ranks.on_first(lambda: self._save_and_decide(found))
        return self.ending is None

    def reached(self, share: float) -> None:
        """Report the progress of training, from 0 to 1.

        `report` does so too: call it between evaluations that are far apart.
        """
        if self.ranks.is_first:
            self._link.reached(share)

    def note(self, step: int, found: Mapping[str, float]) -> None:
        """Add figures of training to the curve, as of `step`; those that are not finite are left out."""
        if self.ranks.is_first:
            for name, value in found.items():
                if math.isfinite(value):
                    self._add(step, "train", name, value)

    def outcome(
        self,
        measure: Callable[[str], Measured],
        *,
        facts: Mapping[str, float] | None = None,
        student: Callable[[], bytes] | None = None,
        started: float | None = None,
    ) -> TrialOutcome:
        """Return the trial's outcome; every worker must call it, once the course has ended.

        `measure`: split -> its result, called on rank 0 for each split of the job, if the trial is completed. `facts`:
        further figures by their full names, such as `train/examples`. `student`: makes the bytes of the trained
        student, if the study keeps it. `started`: when the trial did, by `time.perf_counter`, if that was long before
        the course.
        """
        if self.ending is None:
            raise RuntimeError("the course has not ended; iterate over it to its end")
        status, cause, error = self.ending.status, self.ending.cause, ""
        metrics: dict[str, float] = {}
        predictions: list[Prediction] = []
        if status == "completed":
            self.ranks.on_first(lambda: self._measure_all(measure, student, metrics, predictions))
            error = next((f"{name} is {metrics[name]}" for name in self._aims() if not _is_finite(metrics, name)), "")
        elif status == "stopped":
            metrics = {f"val/{self._metric}": self.best}
        before = 0.0 if started is None else self._started - started
        seconds = self.seconds + before
        if status != "paused":
            metrics = {**metrics, **(facts or {}), "train/steps": float(self.step)}
        return TrialOutcome(
            status="failed" if error else status,
            cause="non_finite" if error else cause,
            error=error,
            metrics=metrics if self.ranks.is_first else {},
            curve=tuple(self._curve),
            predictions=tuple(predictions) if self._job.keep_predictions else (),
            seconds=seconds,
            device_seconds=self._of_all_workers(seconds),
            samples_seen=self.samples_seen,
            peak_memory_mb=self._memory.mb,
            device=device_name(),
            num_workers=self.ranks.world,
        )

    def _aims(self) -> tuple[str, ...]:
        return tuple(f"{split}/{self._metric}" for split in self._job.evaluate)

    def _measure_all(
        self,
        measure: Callable[[str], Measured],
        student: Callable[[], bytes] | None,
        metrics: dict[str, float],
        predictions: list[Prediction],
    ) -> None:
        """Add to `metrics` and `predictions`, on rank 0: they may be too many to be sent to the others."""
        for split in self._job.evaluate:
            found = self._evaluation(measure(split))
            metrics.update({f"{split}/{name}": float(value) for name, value in found.metrics.items()})
            predictions.extend(found.predictions)
        if student is not None and self._job.keep_student and all(_is_finite(metrics, name) for name in self._aims()):
            self._link.keep(student())

    def _evaluation(self, measured: Measured) -> Evaluation:
        if isinstance(measured, Evaluation):
            return measured
        return Evaluation(metrics=measured if isinstance(measured, Mapping) else {self._metric: float(measured)})

    def _evaluate(self, step: int, measure: Callable[[], Measured], losses: Mapping[str, float]) -> None:
        for name, value in losses.items():
            if not math.isfinite(self._add(step, "train", name, float(value)).value):
                raise NonFinite(f"train/{name} is {value} at step {step}")
        metrics = self._evaluation(measure()).metrics
        if self._metric not in metrics:
            raise ValueError(f"val has no {self._metric}, the target of the study; it has {', '.join(metrics)}")
        for name, value in metrics.items():
            self._link.report(self._add(step, "val", name, float(value)))
        target = float(metrics[self._metric])
        if not math.isfinite(target):
            raise NonFinite(f"val/{self._metric} is {target} at step {step}")
        self._best = max(self._best, self._sign * target)

    def _add(self, step: int, split: str, metric: str, value: float) -> CurvePoint:
        point = CurvePoint(step=step, split=split, metric=metric, value=value, seconds=self.seconds)
        self._curve.append(point)
        return point

    def _save_and_decide(self, state: State | None) -> Ending | None:
        if state is not None:
            self._save(state)
        return self._due(cancelled=self._link.stop_requested())

    def _save(self, state: State) -> None:
        self._link.save(self._packed(state() if callable(state) else state))

    def _due(self, *, cancelled: bool) -> Ending | None:
        return due(self._job, self.number, self.best, evaluations=self.evaluations, cancelled=cancelled)

    def _packed(self, state: bytes) -> bytes:
        seconds = self.seconds
        content = {
            "trial_id": self._job.trial_id,
            "world": self.ranks.world,  # each has drawn its own share of the batches
            "number": self.number,
            "step": self.step,
            "best": self._best,
            "curve": [asdict(point) for point in self._curve],
            "seconds": seconds,
            "device_seconds": self._of_all_workers(seconds),
            "samples_seen": self.samples_seen,
        }
        body = json.dumps(content).encode() + b"\n" + state
        return FORMAT + hashlib.sha256(body).digest() + body

    def _resume(self) -> None:
        found = self._unpacked(self._link.load())
        # A worker that cannot read it would start from the beginning while the others continue.
        numbers = self.ranks.gathered(None if found is None else found[0]["number"])
        if found is None or len(set(numbers)) > 1:
            return
        content, self.resumed = found
        self.number, self.step = content["number"], content["step"]
        self.samples_seen, self._seconds_before = content["samples_seen"], content["seconds"]
        self._device_seconds_before = content.get("device_seconds", content["seconds"] * content["world"])
        self._best, self._curve = content["best"], [CurvePoint(**point) for point in content["curve"]]
        self.ending = self.ranks.agreed(self._due(cancelled=False))

    def _of_all_workers(self, seconds: float) -> float:
        """Return the device seconds of a trial that has taken `seconds` so far."""
        return self._device_seconds_before + (seconds - self._seconds_before) * self.ranks.world

    def _workers_before(self) -> float | None:
        """Return how many workers an elastic trial had last; None at its start."""
        found = [point.value for point in self._curve if (point.split, point.metric) == ("train", WORKERS)]
        return found[-1] if found else None

    def _unpacked(self, checkpoint: bytes | None) -> tuple[dict[str, Any], bytes] | None:
        """Return the contents of a checkpoint of this trial; None for any other, or if the trial is not elastic and
        another number of workers saved it."""
        if checkpoint is None or not checkpoint.startswith(FORMAT):
            return None
        digest, body = checkpoint[len(FORMAT) :][:32], checkpoint[len(FORMAT) + 32 :]
        if hashlib.sha256(body).digest() != digest:
            return None
        head, _, state = body.partition(b"\n")
        content = json.loads(head)
        if content["trial_id"] != self._job.trial_id:
            return None
        if content["world"] != self.ranks.world and not self._job.elastic:
            return None
        return (content, state) if content["number"] < self.evaluations else None


def _is_finite(metrics: Mapping[str, float], name: str) -> bool:
    return math.isfinite(metrics.get(name, 0.0))  # a blind split has no target
