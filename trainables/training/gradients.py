"""How strongly distillation pulls at the encoder beside the task: norms and the angle of their two gradients.

Measured a few times a trial, before a step and on its batch, and without a trace in the numbers of training. The
encoder is the student without its head, which most terms do not reach. An adversarial loss counts as the task's.

With `distillation.weighting.unit: gradient` a measurement also sets the factor of each term's weight, |g_task| / |g|,
g the gradient of the term alone, under its confidence weights and before its weight and schedule. It holds until the
next measurement, and as a buffer of the objective it is part of the checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch import distributed

from ablative.trainables.config import OptimConfig
from ablative.trainables.distillation.objective import Summands
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.distillation.weighting import over_workers
from ablative.trainables.training.devices import precision
from ablative.trainables.training.inputs import Batch
from ablative.trainables.training.step import TrainingStep

LEAST_NORM = 1e-12
"""Of a gradient. A shorter one is none: it has no direction, and sets no factor."""

Parts = Sequence[tuple[Batch, tuple[TeacherOutputs, ...]]]
Side = Callable[[Summands], Tensor | None]


def measure(module: TrainingStep, parts: Parts, *, progress: float, optim: OptimConfig) -> dict[str, float]:
    """Return `gradient_ratio`, |g_distillation| / |g_task|, and `gradient_cosine`, by name; every worker must call it.

    `parts`: this worker's of the batch, as `take_step` has them. Both are of the whole batch and the same on all
    workers: 0 where distillation has no gradient, and NaN where the task has none. `module` has terms; it is left as
    it was, but for the factors of weights in units of the gradient.
    """

    gradient = partial(_gradient, module, parts, progress=progress, optim=optim)
    _same_buffers(module)
    task = gradient(side=None)
    for number, one in enumerate(module.objective.teachers):
        if one.weighting.unit == "gradient":
            for place, term in enumerate(one.terms):
                alone = gradient(side=partial(_of_term, number=number, name=term.name))
                factor = float(task.norm() / alone.norm())
                if math.isfinite(factor) and min(alone.norm(), task.norm()) > LEAST_NORM:
                    one.scales[place] = factor
    pull = gradient(side=lambda found: found.distillation)
    norms = task.norm() * pull.norm()
    return {
        "gradient_ratio": float(pull.norm() / task.norm()),
        "gradient_cosine": float(task.dot(pull) / norms) if norms > 0 else float(norms),
    }


def _of_term(found: Summands, *, number: int, name: str) -> Tensor:
    return found.distilled[number].mean({name: 1.0})


def _gradient(module: TrainingStep, parts: Parts, *, side: Side | None, progress: float, optim: OptimConfig) -> Tensor:
    """(P,) gradient of one side in the encoder's parameters, one after the other; None: of the task."""
    encoder = [parameter for parameter in module.student.encoder.parameters() if parameter.requires_grad]
    total = torch.zeros(sum(map(torch.numel, encoder)), device=encoder[0].device)
    with _left_as_it_was(module):
        for batch, teachers in parts:
            with precision(optim.precision, batch.words.device):
                states, found = module.summands(batch, teachers, progress)
                value = found.task if side is None else side(found)
                if side is None and optim.adversarial.steps:
                    value = found.task + module.disturbed(batch, states)
            assert value is not None, "a side of an objective without terms"
            slopes = torch.autograd.grad(value, encoder, allow_unused=True)
            flat = [
                torch.zeros_like(of) if slope is None else slope for slope, of in zip(slopes, encoder, strict=True)
            ]
            total += torch.cat([slope.float().flatten() for slope in flat]) / len(parts)
    return over_workers(total)


@contextmanager
def _left_as_it_was(module: TrainingStep) -> Iterator[None]:
    """Put back what a forward pass moves: generators, and buffers (what terms remember, a trunk's statistics)."""
    device = next(module.parameters()).device
    generators = module.objective.generators.values()
    states = [generator.get_state() for generator in generators]
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
    for generator, state in zip(generators, states, strict=True):
        generator.set_state(state)
    for buffer, before in buffers:
        buffer.copy_(before)


def _same_buffers(module: TrainingStep) -> None:
    """Let all workers take over the first one's buffers now, as they do before each step."""
    if distributed.is_available() and distributed.is_initialized():
        for buffer in module.objective.buffers():
            distributed.broadcast(buffer, 0)
