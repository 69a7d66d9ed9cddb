"""The training loop of one trial, on one worker or several."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import nullcontext

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ablative.trainables.config import TOGETHER
from ablative.trainables.config import OptimConfig
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.errors import NonFinite
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.ranks import Ranks
from ablative.trainables.training.course import StudentCourse
from ablative.trainables.training.devices import loaded
from ablative.trainables.training.devices import precision
from ablative.trainables.training.gradients import measure
from ablative.trainables.training.inputs import Batch
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.training.optimizer import optimizer_of
from ablative.trainables.training.optimizer import set_rate
from ablative.trainables.training.order import learning_rate
from ablative.trainables.training.order import measured_steps
from ablative.trainables.training.order import num_steps
from ablative.trainables.training.recomputation import recompute_blocks
from ablative.trainables.training.sharding import exchange_gradients
from ablative.trainables.training.sharding import is_sharded
from ablative.trainables.training.sharding import on_workers
from ablative.trainables.training.sharding import share_buffers
from ablative.trainables.training.sharding import whole
from ablative.trainables.training.step import TrainingStep

OfTeacher = Callable[[np.ndarray], TeacherOutputs]
"""The teacher's outputs for the training examples at these positions."""


def train(
    job: TrialJob,
    step_module: TrainingStep,
    train_inputs: SplitInputs,
    val_inputs: SplitInputs,
    *,
    device: torch.device,
    ranks: Ranks,
    teachers: Sequence[OfTeacher],
    link: Link,
) -> StudentCourse:
    """Train `step_module` in place, from the checkpoint if there is one, and return its course, which has ended.

    After the last step the course's student has its best weights by val, on rank 0; ties keep the earlier weights.

    Raises:
        NonFinite: loss or gradient norm became NaN or infinite.
        TimeLimit: the job's time is up.
        ValueError: a batch is not a multiple of the number of workers times `optim.accumulation`.
    """
    optim = job.config.optim
    shared = optim.batch_size if optim.batch_tokens is None else TOGETHER
    if shared % (ranks.world * optim.accumulation):
        what = "optim.batch_size=" if optim.batch_tokens is None else "optim.batch_tokens: examples come by "
        raise ValueError(
            f"{what}{shared} is not a multiple of {ranks.world} workers times optim.accumulation={optim.accumulation}"
        )
    steps = num_steps(optim, len(train_inputs), train_inputs.mean_batch(optim))
    apart = ranks.is_first and (optim.ema > 0 or (ranks.world > 1 and optim.sharding != "none"))
    judged = copy.deepcopy(step_module.student) if apart else None
    for student in (step_module.student, judged):
        if optim.compiled and student is not None:
            student.compile_blocks()
    if optim.gradient_checkpointing:
        recompute_blocks(step_module.student)
    wrapped = on_workers(step_module, optim, ranks)
    optimizer = optimizer_of(step_module, optim, trunk=job.config.student.part.trunk)
    course = StudentCourse(
        job,
        step_module,
        optimizer,
        val_inputs,
        judged=judged,
        steps=steps,
        device=device,
        ranks=ranks,
        link=link,
    )
    if course.ending is not None:
        return course
    step_module.train()

    def parts_of(indices: np.ndarray) -> list[tuple[Batch, tuple[TeacherOutputs, ...]]]:
        share = np.split(indices[ranks.rank :: ranks.world], optim.accumulation)
        return [(train_inputs.batch(part), tuple(teacher(part) for teacher in teachers)) for part in share]

    measured = measured_steps(steps) if step_module.objective.has_terms else ()
    # The steps before the first are drawn and discarded: an index costs a millionth of a step.
    order = itertools.islice(train_inputs.order(optim, steps, job.seed), course.step, None)
    for step, parts in enumerate(loaded(parts_of, order, device), course.step):
        if step in measured:
            course.note(step, measure(step_module, parts, progress=step / steps, optim=optim))
        set_rate(optimizer, optim.lr * learning_rate(step, steps, optim.warmup_fraction, optim.drops))
        losses, norm = take_step(wrapped, optimizer, parts, progress=step / steps, optim=optim)
        if not math.isfinite(norm):  # the same on all workers: gradients are averaged
            told = itertools.chain(*ranks.gathered(step_module.objective.not_finite(losses)))
            because = ", ".join(dict.fromkeys(told)) or f"loss {losses['loss']:.4g}"
            raise NonFinite(f"gradient norm is {norm} at step {step + 1} of {steps} ({because})")
        examples = ranks.world * sum(len(batch.indices) for batch, _ in parts)
        if not course.after(step + 1, losses, examples):
            return course
    raise AssertionError("the last step is an evaluation, which ends the course")


def take_step(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    parts: Sequence[tuple[Batch, tuple[TeacherOutputs, ...]]],
    *,
    progress: float,
    optim: OptimConfig,
) -> tuple[dict[str, float], float]:
    """Update the parameters of `module` (a `TrainingStep`, a sharded one, or DDP's of one) by one batch on its device.

    The batch comes in one or several parts of equal size, each with the teachers' outputs. Gradients are averaged over
    parts, but normalisation and comparisons within a batch stay within a part. Return the losses by name, averaged
    over the parts, and the norm of the gradient before clipping.
    """
    optimizer.zero_grad(set_to_none=True)
    if is_sharded(module):
        share_buffers(module)
    names: tuple[str, ...] = ()
    told = []
    for number, (batch, teachers) in enumerate(parts, 1):
        with _workers_apart(module, number < len(parts)):
            with precision(optim.precision, batch.words.device):
                loss, found = module(batch, teachers, progress)
            (loss / len(parts)).backward()
        names = ("loss", *found)
        told.append(torch.stack([value.float() for value in (loss.detach(), *found.values())]))
    norm = whole(torch.nn.utils.clip_grad_norm_(module.parameters(), optim.grad_clip))
    optimizer.step()
    values = torch.cat([torch.stack(told).mean(0), norm.float().view(1)]).tolist()  # wait for the GPU only once
    return dict(zip(names, values[:-1], strict=True)), values[-1]


def _workers_apart(module: nn.Module, apart: bool) -> AbstractContextManager[None]:
    """Context in which workers do not exchange gradients: one exchange, with the last part, is enough."""
    exchange_gradients(module, not apart)
    if apart and isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()
