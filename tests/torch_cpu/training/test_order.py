"""Order of the examples, number of steps, learning rate: functions of seed and configuration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablative.trainables.config import TOGETHER
from ablative.trainables.config import OptimConfig
from ablative.trainables.training.order import Lengths
from ablative.trainables.training.order import batch_indices
from ablative.trainables.training.order import evaluation_steps
from ablative.trainables.training.order import learning_rate
from ablative.trainables.training.order import mean_batch
from ablative.trainables.training.order import num_steps
from ablative.trainables.training.order import token_batches


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 30), st.integers(0, 5))
def test_every_example_is_seen_as_often_as_any_other(examples: int, size: int, steps: int, seed: int) -> None:
    seen = np.concatenate(list(batch_indices(examples, size, steps, seed)))
    counts = np.bincount(seen, minlength=examples)

    assert len(seen) == size * steps
    assert counts.max() - counts.min() <= 1


def test_the_order_depends_on_the_seed_only() -> None:
    first = np.concatenate(list(batch_indices(50, 8, 20, 3)))

    np.testing.assert_array_equal(first, np.concatenate(list(batch_indices(50, 8, 20, 3))))
    assert not np.array_equal(first, np.concatenate(list(batch_indices(50, 8, 20, 4))))


@given(st.integers(1, 200), st.integers(1, 16), st.integers(1, 30), st.integers(2, 8), st.integers(0, 5))
def test_bucketing_cuts_by_length_what_is_drawn_together(
    examples: int, size: int, steps: int, bucketing: int, seed: int
) -> None:
    lengths = np.random.default_rng(seed).integers(1, 40, examples)
    plain = list(batch_indices(examples, size, min(steps, bucketing), seed))
    batches = list(batch_indices(examples, size, steps, seed, bucketing=bucketing, lengths=lengths))
    counts = np.bincount(np.concatenate(batches), minlength=examples)
    drawn = sorted((lengths[batch] for batch in batches[:bucketing]), key=lambda found: (found.min(), found.max()))

    assert [len(batch) for batch in batches] == [size] * steps
    assert counts.max() - counts.min() <= 1
    assert sorted(np.concatenate(batches[:bucketing])) == sorted(np.concatenate(plain))
    assert all(shorter.max() <= longer.min() for shorter, longer in itertools.pairwise(drawn))


def test_bucketed_batches_come_in_no_order_of_length() -> None:
    lengths = np.arange(400)
    means = [lengths[b].mean() for b in batch_indices(400, 8, 50, 0, bucketing=50, lengths=lengths)]

    assert means != sorted(means)
    assert means != sorted(means, reverse=True)


def made_lengths(examples: int, seed: int, each: int = 1) -> Lengths:
    rng = np.random.default_rng(seed)
    return Lengths(texts=rng.integers(4, 40, examples), seen=rng.integers(2, 12, examples), each=each)


def padded(batch: np.ndarray, lengths: Lengths) -> int:
    return int(len(batch) * lengths.each * (lengths.texts[batch].max() + lengths.seen[batch].max()))


@given(st.integers(1, 300), st.integers(400, 4000), st.integers(1, 4), st.integers(0, 5))
def test_a_batch_by_tokens_holds_no_more_than_them_and_is_shared_evenly(
    examples: int, tokens: int, each: int, seed: int
) -> None:
    lengths = made_lengths(examples, seed, each)
    batches = list(itertools.islice(token_batches(lengths, tokens, seed), 40))
    counts = np.bincount(np.concatenate(batches), minlength=examples)
    pool = TOGETHER * max(1, examples // TOGETHER)

    assert all(len(batch) % TOGETHER == 0 for batch in batches)
    assert all(padded(batch, lengths) <= tokens or len(batch) == TOGETHER for batch in batches)
    assert counts.max() - counts.min() <= 1 + -(-pool // examples)


def test_batches_by_tokens_are_a_function_of_the_seed() -> None:
    lengths = made_lengths(500, 0)
    one, same, other = (np.concatenate(list(itertools.islice(token_batches(lengths, 600, s), 30))) for s in (1, 1, 2))

    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one[:100], other[:100])


def test_the_mean_batch_by_tokens_says_how_many_examples_a_training_sees() -> None:
    lengths = made_lengths(2000, 3)
    steps = num_steps(OptimConfig(epochs=4, min_steps=1, batch_tokens=2000), 2000, mean_batch(lengths, 2000))
    seen = sum(map(len, itertools.islice(token_batches(lengths, 2000, 0), steps)))

    assert seen == pytest.approx(4 * 2000, rel=0.01)


def test_steps_stay_within_their_bounds() -> None:
    optim = OptimConfig(batch_size=10, epochs=2, min_steps=30, max_steps=100)

    assert num_steps(optim, 5, 10) == 30
    assert num_steps(optim, 300, 10) == 60
    assert num_steps(optim, 100_000, 10) == 100


@given(st.integers(1, 500), st.integers(1, 20))
def test_the_last_step_is_always_evaluated(steps: int, evaluations: int) -> None:
    chosen = evaluation_steps(steps, evaluations)

    assert max(chosen) == steps
    assert min(chosen) >= 1
    assert len(chosen) == min(steps, evaluations)


@given(st.integers(1, 400), st.floats(0, 0.9))
def test_the_learning_rate_rises_to_one_and_falls(steps: int, warmup: float) -> None:
    rates = [learning_rate(step, steps, warmup) for step in range(steps)]

    assert all(0 < rate <= 1 for rate in rates)
    top = int(np.argmax(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_with_drops_the_rate_is_held_and_falls_to_a_tenth_at_each() -> None:
    rates = [learning_rate(step, 20, 0.1, (0.7, 0.9)) for step in range(20)]

    assert rates[:2] == [0.5, 1.0]
    assert rates[2:14] == [1.0] * 12
    assert rates[14:] == pytest.approx([0.1] * 4 + [0.01] * 2)
