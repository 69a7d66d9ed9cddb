"""The order in which examples are seen, and how many steps there are: functions of the seed and the configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from ablative.trainables.config import OptimConfig

MEASUREMENTS = 4
LEAST_APART = 50


def num_steps(optim: OptimConfig, num_examples: int) -> int:
    """Steps of a trial: `epochs` passes, raised to `min_steps` and cut at `max_steps`, times `steps_factor`."""
    steps = optim.epochs * math.ceil(num_examples / optim.batch_size)
    return max(1, round(optim.steps_factor * min(max(steps, optim.min_steps), optim.max_steps)))


def batch_indices(
    num_examples: int, batch_size: int, steps: int, seed: int, *, bucketing: int = 1, lengths: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield `steps` arrays of `batch_size` indices: permutations end to end, cut evenly.

    With `bucketing` above 1, so many batches are drawn together, cut by the examples' `lengths` (required then) and
    yielded in a random order: examples of like length share a batch, and the mean length does not drift.

    Every example is seen as often as any other, give or take one pass; the same for every arm with one seed.
    """
    rng = np.random.default_rng([seed, num_examples])
    waiting = np.empty(0, dtype=np.int64)
    for step in range(0, steps, bucketing):
        count = min(bucketing, steps - step)
        while len(waiting) < count * batch_size:
            waiting = np.concatenate([waiting, rng.permutation(num_examples)])
        drawn, waiting = waiting[: count * batch_size], waiting[count * batch_size :]
        if lengths is None or bucketing == 1:
            yield from drawn.reshape(count, batch_size)
        else:
            alike = drawn[np.argsort(lengths[drawn], kind="stable")].reshape(count, batch_size)
            yield from alike[rng.permutation(count)]


def measured_steps(steps: int) -> frozenset[int]:
    """Numbers of finished steps after which distillation is measured against the task, the start among them.

    At most `MEASUREMENTS` times, `LEAST_APART` steps apart at least: a measurement costs two steps.
    """
    return frozenset(range(0, steps, max(LEAST_APART, math.ceil(steps / MEASUREMENTS))))


def learning_rate(step: int, steps: int, warmup_fraction: float, drops: Sequence[float] = ()) -> float:
    """Multiplier of the peak rate: linear rise over the warm-up, then linear fall to 0.

    With `drops` (shares of the steps) the rate is held instead, and falls to a tenth at each of them.
    """
    warmup = max(1, round(warmup_fraction * steps))
    if step < warmup:
        return (step + 1) / warmup
    if drops:
        return float(0.1 ** sum(step >= share * steps for share in drops))
    return max(0.0, (steps - step) / max(1, steps - warmup))


def evaluation_steps(steps: int, evaluations: int) -> frozenset[int]:
    """Numbers of finished steps after which val is evaluated, evenly spread, the last step among them."""
    count = min(evaluations, steps)
    return frozenset(round(steps * (i + 1) / count) for i in range(count))
