"""The training loop of one trial, on one worker or several."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from trainables.config import OptimConfig
from trainables.distillation.outputs import TeacherTargets
from trainables.errors import NonFinite
from trainables.job import CurvePoint
from trainables.job import Link
from trainables.training.devices import to_device
from trainables.training.evaluation import evaluate
from trainables.training.inputs import SplitInputs
from trainables.training.order import batch_indices
from trainables.training.order import evaluation_steps
from trainables.training.order import learning_rate
from trainables.training.order import num_steps
from trainables.training.ranks import Ranks
from trainables.training.step import TrainingStep

TargetsOf = Callable[[np.ndarray], TeacherTargets]
"""Teacher targets of the training examples at these positions."""


def train(
    step_module: TrainingStep,
    train_inputs: SplitInputs,
    val_inputs: SplitInputs,
    optim: OptimConfig,
    *,
    seed: int,
    device: torch.device,
    ranks: Ranks,
    targets_of: TargetsOf | None,
    link: Link,
) -> tuple[CurvePoint, ...]:
    """Train `step_module` in place and leave the student at its best weights by val accuracy.

    Returns the curve (on rank 0; empty elsewhere). Ties keep the earlier weights.

    Raises:
        NonFinite: loss or gradient norm became NaN or infinite.
        ValueError: the batch size is not a multiple of the number of workers.
    """
    if optim.batch_size % ranks.world:
        raise ValueError(f"optim.batch_size={optim.batch_size} is not a multiple of {ranks.world} workers")
    steps = num_steps(optim, len(train_inputs))
    evaluated = evaluation_steps(steps, optim.evaluations)
    optimizer = _optimizer(step_module, optim)
    wrapped = DistributedDataParallel(step_module) if ranks.world > 1 else step_module
    keeper = _Keeper(step_module, val_inputs, device, link)
    losses: list[dict[str, float]] = []
    step_module.train()
    for step, indices in enumerate(batch_indices(len(train_inputs), optim.batch_size, steps, seed)):
        _set_rate(optimizer, optim.lr * learning_rate(step, steps, optim.warmup_fraction))
        share = indices[ranks.rank :: ranks.world]
        batch = to_device(train_inputs.batch(share), device)
        targets = to_device(targets_of(share), device) if targets_of else None
        with _precision(optim, device):
            loss, parts = wrapped(batch, targets, step / steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(step_module.parameters(), optim.grad_clip)
        if not math.isfinite(float(norm)):  # the same on all workers: gradients are averaged
            raise NonFinite(
                f"gradient norm is {float(norm)} at step {step + 1} of {steps} (loss {float(loss.detach()):.4g})"
            )
        optimizer.step()
        losses.append({"loss": float(loss.detach()), **{name: float(value) for name, value in parts.items()}})
        if step + 1 in evaluated and ranks.is_first:
            keeper.evaluate(step + 1, losses)
            losses = []
    if ranks.is_first:
        keeper.restore()
    return tuple(keeper.curve)


class _Keeper:
    """Evaluates on val, writes the curve and remembers the best weights."""

    def __init__(self, step_module: TrainingStep, val_inputs: SplitInputs, device: torch.device, link: Link) -> None:
        self.student = step_module.student
        self.val_inputs = val_inputs
        self.device = device
        self.link = link
        self.curve: list[CurvePoint] = []
        self.best = -math.inf
        self.weights: dict[str, torch.Tensor] = {}
        self.started = time.perf_counter()

    def evaluate(self, step: int, losses: list[dict[str, float]]) -> None:
        for name in losses[0]:
            self._add(step, "train", name, sum(row[name] for row in losses) / len(losses))
        accuracy = evaluate(self.student, self.val_inputs, self.device).metrics["accuracy"]
        if accuracy > self.best:
            self.best = accuracy
            self.weights = copy.deepcopy(self.student.state_dict())
        self.link.report(self._add(step, "val", "accuracy", accuracy))

    def restore(self) -> None:
        self.student.load_state_dict(self.weights)

    def _add(self, step: int, split: str, metric: str, value: float) -> CurvePoint:
        seconds = time.perf_counter() - self.started
        point = CurvePoint(step=step, split=split, metric=metric, value=value, seconds=seconds)
        self.curve.append(point)
        return point


def _optimizer(module: torch.nn.Module, optim: OptimConfig) -> torch.optim.Optimizer:
    """AdamW with UNITER's betas; vectors (biases, norms) are not decayed."""
    decayed = [p for p in module.parameters() if p.requires_grad and p.dim() > 1]
    plain = [p for p in module.parameters() if p.requires_grad and p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": optim.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=optim.lr, betas=(0.9, 0.98), fused=True)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


@contextlib.contextmanager
def _precision(optim: OptimConfig, device: torch.device) -> Iterator[None]:
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=optim.precision == "bfloat16"):
        yield
