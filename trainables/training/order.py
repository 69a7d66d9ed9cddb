"""The order in which examples are seen, and how many steps there are: functions of the seed and the configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablative.trainables.config import TOGETHER
from ablative.trainables.config import OptimConfig

POOL = 8192
"""Examples per pool from which batches by tokens are cut (UNITER's number)."""
MEASUREMENTS = 4
LEAST_APART = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """The lengths of the sequences of N examples."""

    texts: np.ndarray
    """(N,) tokens of each example's longest candidate."""
    seen: np.ndarray
    """(N,) regions of its picture, the whole picture included."""
    each: int
    """Candidates per example."""


def num_steps(optim: OptimConfig, num_examples: int, mean_batch: float) -> int:
    """Steps of a trial: `epochs` passes, raised to `min_steps` and cut at `max_steps`, times `steps_factor`.

    `mean_batch`: examples per batch; the average if batches are cut by tokens.
    """
    steps = optim.epochs * math.ceil(num_examples / mean_batch)
    return max(1, round(optim.steps_factor * min(max(steps, optim.min_steps), optim.max_steps)))


def batch_indices(
    num_examples: int, batch_size: int, steps: int, seed: int, *, bucketing: int = 1, lengths: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield `steps` arrays of `batch_size` indices: permutations end to end, cut evenly.

    With `bucketing` above 1, that many batches are drawn together, cut by the examples' `lengths` (required then) and
    yielded in a random order. Examples of similar length share a batch, and the mean length does not drift.

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


def token_batches(lengths: Lengths, tokens: int, seed: int) -> Iterator[np.ndarray]:
    """Yield arrays of indices without end, each of at most `tokens` tokens, padding counted.

    Permutations of all examples end to end are cut into pools of `POOL`. Examples of similar length in a pool share a
    batch (`cut_by_tokens`), and the pool's batches come in a random order. The result depends on lengths, tokens and
    seed alone. Every example is seen as often as any other, give or take a pool.
    """
    count = len(lengths.texts)
    pool = TOGETHER * max(1, min(POOL, count) // TOGETHER)
    rng = np.random.default_rng([seed, count, tokens])
    waiting = np.empty(0, dtype=np.int64)
    while True:
        while len(waiting) < pool:
            waiting = np.concatenate([waiting, rng.permutation(count)])
        drawn, waiting = waiting[:pool], waiting[pool:]
        batches = cut_by_tokens(drawn, lengths, tokens)
        yield from (batches[number] for number in rng.permutation(len(batches)))


def cut_by_tokens(places: np.ndarray, lengths: Lengths, tokens: int) -> list[np.ndarray]:
    """Return the examples at `places`, a multiple of `TOGETHER` of them, in batches by length.

    A batch holds groups of `TOGETHER` examples: as many as stay within `tokens` tokens when each sequence is padded to
    the batch's longest text and most regions. It holds at least one group, however long.
    """
    texts, seen = lengths.texts[places], lengths.seen[places]
    groups = places[np.argsort(texts + seen, kind="stable")].reshape(-1, TOGETHER)
    longest = lengths.texts[groups].max(1).tolist()
    most = lengths.seen[groups].max(1).tolist()
    batches, start, text, regions = [], 0, 0, 0
    for number, (long, many) in enumerate(zip(longest, most, strict=True)):
        wide = max(text, long) + max(regions, many)
        if number > start and TOGETHER * (number + 1 - start) * lengths.each * wide > tokens:
            batches.append(groups[start:number].reshape(-1))
            start, text, regions = number, 0, 0
        text, regions = max(text, long), max(regions, many)
    return [*batches, groups[start:].reshape(-1)]


def mean_batch(lengths: Lengths, tokens: int) -> float:
    """Return the average number of examples in a batch of `tokens`, with all examples in one pool."""
    count = len(lengths.texts)
    places = np.arange(TOGETHER * math.ceil(count / TOGETHER)) % count
    return len(places) / len(cut_by_tokens(places, lengths, tokens))


def measured_steps(steps: int) -> frozenset[int]:
    """Numbers of finished steps after which distillation is measured against the task, including the start.

    At most `MEASUREMENTS` times, at least `LEAST_APART` steps apart, because a measurement costs two steps.
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
    """Numbers of finished steps after which val is evaluated, evenly spread, including the last step."""
    count = min(evaluations, steps)
    return frozenset(round(steps * (i + 1) / count) for i in range(count))
