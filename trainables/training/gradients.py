"""How strongly distillation pulls at the encoder compared with the task: the norms and angle of the two gradients.

Measured a few times per trial, before a step and on its batch, without any effect on the numbers of training. The
encoder is the student without its head, which most terms do not reach. An adversarial loss counts as the task's.

With `distillation.weighting.unit: gradient` a measurement also sets the factor of each term's weight, |g_task| / |g|.
Here g is the gradient of the term alone, under its confidence weights and before its weight and schedule. The factor
holds until the next measurement; as a buffer of the objective it is part of the checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch import distributed
from torch import nn

from ablative.trainables.config import OptimConfig
from ablative.trainables.distillation.objective import Summands
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.distillation.weighting import over_workers
from ablative.trainables.students.student import StudentStates
from ablative.trainables.training.devices import precision
from ablative.trainables.training.inputs import Batch
from ablative.trainables.training.sharding import is_sharded
from ablative.trainables.training.sharding import own_part
from ablative.trainables.training.sharding import share_buffers
from ablative.trainables.training.step import Side
from ablative.trainables.training.step import TrainingStep

LEAST_NORM = 1e-12
"""Length of a gradient. A shorter one counts as zero: it has no direction, and sets no factor."""

Parts = Sequence[tuple[Batch, tuple[TeacherOutputs, ...]]]


def measure(module: TrainingStep, parts: Parts, *, progress: float, optim: OptimConfig) -> dict[str, float]:
    """Return `gradient_ratio`, |g_distillation| / |g_task|, and `gradient_cosine`, by name; every worker must call it.

    `parts`: this worker's parts of the batch, as in `take_step`. Both figures cover the whole batch and are the same
    on all workers: 0 if distillation has no gradient, and NaN if the task has none. `module` has terms; it stays
    unchanged, except for the factors of weights in units of the gradient.
    """

    gradient = partial(_gradient, module, parts, progress=progress, optim=optim)
    length, product = partial(_length, module), partial(_product, module)
    if distributed.is_available() and distributed.is_initialized():
        share_buffers(module.objective)  # now, as before each step
    task = gradient(side=_of_task if not optim.adversarial.steps else partial(_of_task_and_disturbed, module))
    for number, one in enumerate(module.objective.teachers):
        if one.weighting.unit == "gradient":
            for place, term in enumerate(one.terms):
                alone = gradient(side=partial(_of_term, number=number, name=term.name))
                factor = float(length(task) / length(alone))
                if math.isfinite(factor) and min(length(alone), length(task)) > LEAST_NORM:
                    one.scales[place] = factor
    pull = gradient(side=_of_distillation)
    norms = length(task) * length(pull)
    return {
        "gradient_ratio": float(length(pull) / length(task)),
        "gradient_cosine": float(product(task, pull) / norms) if norms > 0 else float(norms),
    }


def _of_task(batch: Batch, states: StudentStates, found: Summands) -> Tensor:
    return found.task


def _of_task_and_disturbed(module: TrainingStep, batch: Batch, states: StudentStates, found: Summands) -> Tensor:
    return found.task + module.disturbed(batch, states)


def _of_distillation(batch: Batch, states: StudentStates, found: Summands) -> Tensor:
    assert found.distillation is not None, "a side of an objective without terms"
    return found.distillation


def _of_term(batch: Batch, states: StudentStates, found: Summands, *, number: int, name: str) -> Tensor:
    return found.distilled[number].mean({name: 1.0})


def _gradient(module: TrainingStep, parts: Parts, *, side: Side, progress: float, optim: OptimConfig) -> Tensor:
    """(P,) gradient of one side in the encoder's parameters, one after another; if sharded, this worker's part."""
    encoder = [parameter for parameter in module.student.encoder.parameters() if parameter.requires_grad]
    total = torch.zeros(sum(own_part(parameter).numel() for parameter in encoder), device=encoder[0].device)
    with _left_as_it_was(module):
        for batch, teachers in parts:
            with precision(optim.precision, batch.words.device):
                value, _ = module(batch, teachers, progress, side)
            slopes = _slopes(module, value, encoder)
            flat = [
                torch.zeros_like(own_part(of)) if slope is None else slope
                for slope, of in zip(slopes, encoder, strict=True)
            ]
            total += torch.cat([slope.float().flatten() for slope in flat]) / len(parts)
    return total if is_sharded(module) else over_workers(total)


def _slopes(module: TrainingStep, value: Tensor, encoder: Sequence[nn.Parameter]) -> list[Tensor | None]:
    """Gradients in the encoder's parameters; if sharded, those of all workers, in this one's part."""
    if not is_sharded(module):
        return list(torch.autograd.grad(value, encoder, allow_unused=True))
    value.backward()  # autograd sees the gathered tensors, not the parts
    slopes = [None if parameter.grad is None else own_part(parameter.grad) for parameter in encoder]
    module.zero_grad(set_to_none=True)
    return slopes


def _length(module: TrainingStep, of: Tensor) -> Tensor:
    if not is_sharded(module):
        return of.norm()
    squared = of.norm().square()
    distributed.all_reduce(squared)
    return squared.sqrt()


def _product(module: TrainingStep, first: Tensor, second: Tensor) -> Tensor:
    found = first.dot(second)
    if is_sharded(module):
        distributed.all_reduce(found)
    return found


@contextmanager
def _left_as_it_was(module: TrainingStep) -> Iterator[None]:
    """Restore what a forward pass changes: generators, and buffers (the memory of terms, a trunk's statistics)."""
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
