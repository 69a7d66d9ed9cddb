"""The course of one trial: its evaluations, checkpoints, and what ends it before its last step."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from typing import Literal

import torch

from ablative.trainables.errors import TimeLimit
from ablative.trainables.job import Cause
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.training.checkpoint import Checkpoint
from ablative.trainables.training.checkpoint import GeneratorStates
from ablative.trainables.training.checkpoint import dumped
from ablative.trainables.training.checkpoint import generator_states
from ablative.trainables.training.checkpoint import loaded
from ablative.trainables.training.checkpoint import set_generators
from ablative.trainables.training.evaluation import Evaluation
from ablative.trainables.training.evaluation import evaluate
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.training.memory import MemoryPeak
from ablative.trainables.training.order import evaluation_steps
from ablative.trainables.training.ranks import Ranks
from ablative.trainables.training.step import TrainingStep

CLOCK_STRIDE = 16
"""Steps between two looks at the time limit: workers agree on it, which costs a message."""


Due = tuple[Literal["stopped", "paused"] | None, Cause]
"""How a course ends early, and why; None where it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a course ended."""

    status: Literal["completed", "stopped", "paused"]
    cause: Cause = "none"
    curve: tuple[CurvePoint, ...] = ()
    """On rank 0; empty elsewhere."""
    best: float
    """Best target on val."""
    val: Evaluation | None = None
    """Of the best weights; None where an earlier attempt made it, and on other ranks than 0."""
    steps: int
    seconds_before: float
    """Spent by earlier attempts that this one went on from."""
    samples_seen: int
    """In all of them."""
    peak_memory_mb: float


class Course:
    """Told of every step; every rank has one, and all agree on how it ends."""

    def __init__(
        self,
        job: TrialJob,
        module: TrainingStep,
        optimizer: torch.optim.Optimizer,
        val: SplitInputs,
        *,
        steps: int,
        device: torch.device,
        ranks: Ranks,
        link: Link,
    ) -> None:
        self._job = job
        self._module = module
        self._optimizer = optimizer
        self._val = val
        self._steps = steps
        self._at = sorted(evaluation_steps(steps, job.config.optim.evaluations))
        self._device = device
        self._ranks = ranks
        self._link = link
        self._metric, mode = job.target
        self._sign = 1.0 if mode == "max" else -1.0
        self._curve: list[CurvePoint] = []
        self._best = -math.inf
        self._best_weights: dict[str, torch.Tensor] = {}
        self._best_evaluation: Evaluation | None = None
        self._losses: list[dict[str, float]] = []
        self._samples_seen = 0
        self._memory = MemoryPeak(device)
        self._spent_before = 0.0
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Spent on this trial so far, lost attempts not counted."""
        return self._spent_before + time.perf_counter() - self._started

    def resume(self) -> tuple[int, Ended | None]:
        """Take up the checkpoint, if there is one; return how many steps it has done, and the end if that was it."""
        found = loaded(self._link.load(), trial_id=self._job.trial_id, world=self._ranks.world)
        # A rank that cannot read it would start anew while the others go on.
        steps = self._ranks.gathered(None if found is None else found.step)
        if found is None or len(set(steps)) > 1 or found.step not in self._at:
            return 0, None
        self._module.load_state_dict(found.module)
        self._optimizer.load_state_dict(found.optimizer)
        self._best, self._best_weights, self._curve = found.best, found.best_weights, found.curve
        self._spent_before, self._samples_seen = found.seconds, found.samples_seen
        set_generators(found.generators[self._ranks.rank], self._device, self._module.objective.generators)
        number = self._at.index(found.step) + 1
        return found.step, self._ended(*self._ranks.agreed(self._due(number, cancelled=False)), number)

    def after(self, step: int, losses: dict[str, float]) -> Ended | None:
        """Count a finished step with its losses; evaluate, save and decide where it is time; return the end."""
        self._losses.append(losses)
        self._samples_seen += self._job.config.optim.batch_size
        if step % CLOCK_STRIDE == 0:
            self._check_time(step)
        if step not in self._at:
            return None
        number = self._at.index(step) + 1
        self._ranks.on_first(lambda: self._evaluate(step))
        self._losses = []
        self._memory.look()
        if step == self._steps:
            return self._finish()
        generators = self._ranks.gathered(generator_states(self._device, self._module.objective.generators))
        return self._ended(*self._ranks.on_first(lambda: self._save_and_decide(step, number, generators)), number)

    def _check_time(self, step: int) -> None:
        limit = self._job.time_limit_s
        if limit is not None and self._ranks.agreed(self.seconds > limit):
            raise TimeLimit(f"{self.seconds:.0f} s at step {step} of {self._steps}; the limit is {limit:g} s")

    def _save_and_decide(self, step: int, number: int, generators: list[GeneratorStates]) -> Due:
        self._save(step, generators)
        return self._due(number, cancelled=self._link.stop_requested())

    def _due(self, number: int, *, cancelled: bool) -> Due:
        """Return whether a rule or the engine ends the course after evaluation `number`, counted from 1."""
        floor = dict(self._job.floors).get(number)
        if cancelled:
            return "stopped", "cancelled"
        if floor is not None and self._best < self._sign * floor:
            return "stopped", "median"
        if self._job.pause_after is not None and self._job.pause_after <= number < len(self._at):
            return "paused", "none"
        return None, "none"

    def _ended(self, status: Literal["stopped", "paused"] | None, cause: Cause, number: int) -> Ended | None:
        return None if status is None else self._ending(status, cause, self._at[number - 1])

    def _finish(self) -> Ended:
        if self._ranks.is_first:
            self._module.student.load_state_dict(self._best_weights)
        return self._ending("completed", "none", self._steps)

    def _ending(self, status: Literal["completed", "stopped", "paused"], cause: Cause, steps: int) -> Ended:
        return Ended(
            status=status,
            cause=cause,
            curve=tuple(self._curve),
            best=self._sign * self._best,
            val=self._best_evaluation,
            steps=steps,
            seconds_before=self._spent_before,
            samples_seen=self._samples_seen,
            peak_memory_mb=self._memory.mb,
        )

    def _evaluate(self, step: int) -> None:
        for name in self._losses[0]:
            self._add(step, "train", name, sum(row[name] for row in self._losses) / len(self._losses))
        evaluation = evaluate(self._module.student, self._val, self._device, self._job.config.optim)
        for name in dict.fromkeys(("accuracy", self._metric)):
            self._link.report(self._add(step, "val", name, float(evaluation.metrics[name])))
        value = self._sign * float(evaluation.metrics[self._metric])
        if value > self._best:
            self._best, self._best_evaluation = value, evaluation
            self._best_weights = copy.deepcopy(self._module.student.state_dict())

    def _save(self, step: int, generators: list[GeneratorStates]) -> None:
        self._link.save(
            dumped(
                Checkpoint(
                    trial_id=self._job.trial_id,
                    world=self._ranks.world,
                    step=step,
                    module=self._module.state_dict(),
                    optimizer=self._optimizer.state_dict(),
                    best=self._best,
                    best_weights=self._best_weights,
                    curve=self._curve,
                    generators=generators,
                    seconds=self.seconds,
                    samples_seen=self._samples_seen,
                )
            )
        )

    def _add(self, step: int, split: str, metric: str, value: float) -> CurvePoint:
        point = CurvePoint(step=step, split=split, metric=metric, value=value, seconds=self.seconds)
        self._curve.append(point)
        return point
