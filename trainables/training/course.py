"""The course of a student's training: step by step, with the best weights by val."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from ablative.trainables.course import Course
from ablative.trainables.course import Evaluation
from ablative.trainables.errors import MissingData
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.ranks import Ranks
from ablative.trainables.students.student import StudentModule
from ablative.trainables.training.averaging import AveragedWeights
from ablative.trainables.training.evaluation import evaluate
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.training.order import evaluation_steps
from ablative.trainables.training.sharding import WholeModule
from ablative.trainables.training.sharding import WholeOptimizer
from ablative.trainables.training.sharding import is_sharded
from ablative.trainables.training.sharding import whole_student
from ablative.trainables.training.state import TorchState
from ablative.trainables.training.step import TrainingStep

CLOCK_STRIDE = 8
"""Steps between two checks of the time limit and for notices: agreeing costs a message between workers."""


class StudentCourse(Course):
    """Receives every step; every rank has one, and all agree on how the course ends."""

    def __init__(
        self,
        job: TrialJob,
        module: TrainingStep,
        optimizer: torch.optim.Optimizer,
        val: SplitInputs,
        *,
        judged: StudentModule | None = None,
        steps: int,
        device: torch.device,
        ranks: Ranks,
        link: Link,
    ) -> None:
        """Continue from the checkpoint, if there is one: `step` steps are done then.

        `judged`: a separate whole student to evaluate, if the trained one is sharded or its weights are averaged.
        """
        self._at = sorted(evaluation_steps(steps, job.config.optim.evaluations))
        super().__init__(job, link, evaluations=len(self._at), ranks=ranks)
        self.val: Evaluation | None = None
        """Prediction of the best weights; None if an earlier attempt made it, and on ranks other than 0."""
        self._optim = job.config.optim
        self.student = judged or module.student
        """The evaluated student, on rank 0; after the last step it has the best weights by val."""
        self._module = module
        self._averages = AveragedWeights(module.student, self._optim.ema) if self._optim.ema else None
        self._val_inputs = val
        self._device = device
        self._state = TorchState(
            self, device=device, generators=module.objective.generators, **self._parts(module, optimizer)
        )
        self._best_weights: dict[str, torch.Tensor] = self._state.more.get("best_weights", {})
        self._losses: list[dict[str, float]] = self._state.more.get("losses", [])
        """Of the steps since the last evaluation."""

    def after(self, step: int, losses: dict[str, float], examples: int) -> bool:
        """Count a step with its losses; evaluate, save and decide when due; return whether to continue.

        `examples`: of the step's batch, over all workers.
        """
        if self._averages is not None:
            self._averages.update()
        self._losses.append(losses)
        self.samples_seen += examples
        if step not in self._at:
            if step % CLOCK_STRIDE == 0:
                self.check_time(step, self._packed_state)
                self.reached(step / self._at[-1])
            return True
        means = {name: sum(row[name] for row in self._losses) / len(self._losses) for name in losses}
        self._losses = []
        self._bring_to_judge()
        goes_on = self.report(step, self._on_val, self._packed_state, losses=means)
        if step == self._at[-1] and self.ranks.is_first:
            self.student.load_state_dict(self._best_weights)
        return goes_on

    def _packed_state(self) -> Callable[[], bytes]:
        return self._state.pack(best_weights=self._best_weights, losses=self._losses)

    def _parts(self, module: TrainingStep, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        averages = {"averages": self._averages} if self._averages is not None else {}
        if is_sharded(module):
            return {"module": WholeModule(module), "optimizer": WholeOptimizer(module, optimizer), **averages}
        return {"module": module, "optimizer": optimizer, **averages}

    def _bring_to_judge(self) -> None:
        """Give the judged student the weights to be judged by; every worker must call it."""
        if self.student is self._module.student and not is_sharded(self._module):
            return
        with self._averages.in_place() if self._averages is not None else nullcontext():
            whole = whole_student(self._module)
            if self.ranks.is_first:
                self.student.load_state_dict(whole)

    def _on_val(self) -> dict[str, float]:
        evaluation = evaluate(self.student, self._val_inputs, self._device, self._optim)
        metric = self._job.target[0]
        if metric not in evaluation.metrics:
            named = ", ".join(evaluation.metrics)
            raise MissingData(f"target.metric: val/{metric} is not measured on this data; there are {named}")
        if self.improves(evaluation.metrics[metric]):
            self.val, self._best_weights = evaluation, copy.deepcopy(self.student.state_dict())
        return {name: float(evaluation.metrics[name]) for name in dict.fromkeys(("accuracy", metric))}
