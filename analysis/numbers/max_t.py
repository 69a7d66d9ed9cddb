"""Step-down max-T: p-values corrected for each other, for comparisons that share their blocks."""

from __future__ import annotations

import math
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from ablative.search_spaces.ties import RELATIVE_TIE

Block = TypeVar("Block", bound=Hashable)

MOST_EXACT = 8_000_000
"""Sign patterns times comparisons up to which every pattern is counted; beyond, patterns are drawn."""
DRAWS = 20_000
_AT_ONCE = 1_000_000
"""Patterns times comparisons in memory together."""


def max_t(
    samples: Sequence[Mapping[Block, float]], rng: np.random.Generator, unseen: Sequence[int] = ()
) -> list[float | None]:
    """Return the adjusted p-value of each comparison, in the order given (Westfall and Young 1993, algorithm 2.8).

    `samples`: block -> paired difference, for each comparison; a block may be missing in some. All differences of a
    block change sign together, so comparisons that share arms and seeds stay as dependent as they are. This bounds the
    chance of any false positive if, under the null hypotheses, the differences of a block are jointly symmetric about
    zero and blocks are independent. The statistic is |t| of the comparison's differences, as a normal score (Wallace
    1959), which puts comparisons with few and with many blocks on one scale. Up to `MOST_EXACT` every pattern is
    counted; beyond, (1 + hits) / (1 + `DRAWS`) over patterns drawn from `rng`. A comparison without differences gets
    None. One with a single difference cannot reach significance, and gets 1.

    `unseen`: the number of pairs of each further comparison of the family whose differences are unknown. `_tails`
    bounds the share of patterns in which their scores reach an observed one, whatever they are; the bound is added.
    """
    known = [position for position, sample in enumerate(samples) if sample]
    found: list[float | None] = [None] * len(samples)
    if known:
        values, sizes, patterns, exact = _tabled([samples[position] for position in known], rng)
        p_values = adjusted_p_values(values, sizes, patterns, exact=exact, unseen=unseen)
        for position, p_value in zip(known, p_values, strict=True):
            found[position] = float(p_value)
    return found


def local_levels(
    samples: Sequence[Mapping[Block, float]],
    alphas: Sequence[float],
    rng: np.random.Generator,
    unseen: Sequence[int] = (),
) -> list[float]:
    """Return for each comparison the level of its own sign-flip test that corresponds to the greatest score.

    A score is critical at the comparison's alpha if at most that share of patterns has a greatest score above it. The
    level is the share of patterns in which the comparison's own score lies above it, but never below the least p-value
    that its differences can reach. A comparison without differences gets 0. `unseen`: as in `max_t`.
    """
    known = [position for position, sample in enumerate(samples) if sample]
    found = [0.0] * len(samples)
    if not known:
        return found
    values, sizes, patterns, exact = _tabled([samples[position] for position in known], rng)
    scores = np.concatenate([_scores(values @ signs, values, sizes) for signs in patterns], axis=-1)
    greatest = np.sort(scores.max(axis=0))[::-1]
    total = greatest.size + (not exact)
    reached = (np.arange(1, greatest.size + 1) + (not exact)) / total
    if unseen:
        reached = reached + _tails(greatest if not _alike(sizes) else _normal(greatest, sizes[0] - 1), unseen)
    for row, position in enumerate(known):
        above = int(np.searchsorted(reached, alphas[position] * (1 + 1e-12), side="right"))
        critical = greatest[min(max(above, 0), greatest.size - 1)]
        share = (np.count_nonzero(scores[row] > critical * (1 + RELATIVE_TIE)) + (not exact)) / total
        found[position] = max(float(share), 2.0 ** (1 - sizes[row]))
    return found


def _tabled(
    samples: Sequence[Mapping[Block, float]], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, Iterator[np.ndarray], bool]:
    """Return the differences as a table, the number of each comparison, sign patterns, and whether these are all."""
    blocks = list(dict.fromkeys(block for sample in samples for block in sample))
    values = np.array([[sample.get(block, 0.0) for block in blocks] for sample in samples])
    sizes = np.array([len(sample) for sample in samples], dtype=np.float64)
    exact = 2 ** (len(blocks) - 1) * len(samples) <= MOST_EXACT
    step = max(1, _AT_ONCE // len(samples))
    patterns = every_pattern(len(blocks), step) if exact else drawn_patterns(len(blocks), DRAWS, step, rng)
    return values, sizes, patterns, exact


def adjusted_p_values(
    values: np.ndarray, sizes: np.ndarray, patterns: Iterable[np.ndarray], *, exact: bool, unseen: Sequence[int] = ()
) -> np.ndarray:
    """Return the adjusted p-values, shape (..., comparisons), of `values`, shape (..., comparisons, blocks).

    `values`: 0 if a comparison lacks the block; `sizes`: the number that it has. `patterns`: signs of shape (blocks,
    some); `exact`: these are all patterns.
    """
    observed = _scores(values.sum(axis=-1, keepdims=True), values, sizes)[..., 0]
    order = np.argsort(-observed, axis=-1, kind="stable")
    values, sizes = np.take_along_axis(values, order[..., None], axis=-2), np.take_along_axis(sizes, order, axis=-1)
    reached = np.take_along_axis(observed, order, axis=-1)[..., None] * (1 - RELATIVE_TIE)
    hits, total = np.zeros(order.shape), 0
    for signs in patterns:
        greatest = _scores(values @ signs, values, sizes)
        for place in range(order.shape[-1] - 2, -1, -1):  # over this comparison and all less clear ones
            np.maximum(greatest[..., place, :], greatest[..., place + 1, :], out=greatest[..., place, :])
        hits += np.count_nonzero(greatest >= reached, axis=-1)
        total += signs.shape[-1]
    shares = hits / total if exact else (1 + hits) / (1 + total)
    if unseen:
        scores = np.take_along_axis(observed, order, axis=-1)
        scores = _normal(scores, sizes[..., :1] - 1) if _alike(sizes) else scores
        shares = np.minimum(1.0, shares + _tails(scores, unseen))
    rising = np.maximum.accumulate(shares, axis=-1)
    found = np.empty(order.shape)
    np.put_along_axis(found, order, rising, axis=-1)
    return found


def _scores(sums: np.ndarray, values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Normal scores of |t|, given sums of signed differences, shape (..., comparisons, patterns).

    With s the sum and q the sum of squares of n differences, t^2 / (n - 1) = r / (1 - r) with r = s^2 / (n q). Where
    all sizes are alike r itself, which has the order of the scores and takes a tenth of the time.
    """
    squares = (values**2).sum(axis=-1)[..., None]
    degrees, sizes = (sizes - 1)[..., None], sizes[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.where((squares > 0) & (degrees > 0), 1 / (sizes * squares), 0.0)
        shares = sums**2 * factors
        shares[shares >= 1 - RELATIVE_TIE] = 1.0
        return shares if _alike(sizes) else _normal(shares, degrees)


def _alike(sizes: np.ndarray) -> bool:
    return bool(np.all(sizes == sizes.flat[0]))


def _normal(shares: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return the normal score of |t| for r, which may be infinite (Wallace 1959)."""
    with np.errstate(divide="ignore"):
        return np.asarray((8 * degrees + 1) / (8 * degrees + 3) * np.sqrt(degrees * -np.log1p(-shares)))


def _tails(scores: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Return a bound of the share of patterns, summed over comparisons of these sizes, that reach each score.

    Whatever n differences are, their signed sum by the root of their squares exceeds x in at most a share of
    c (1 - Phi(x)) of all patterns, with c = 1 / (4 (1 - Phi(sqrt 2))) = 3.18 (Bentkus and Dzindzalieta 2015); a score
    says which r, and so which x = sqrt(n r).
    """
    from scipy.special import ndtr

    factor = 2 / (4 * ndtr(-math.sqrt(2.0)))
    found = np.zeros(scores.shape)
    for size in sizes:
        degrees = size - 1
        if degrees > 0:  # a single pair has the score 0
            scaled = scores * (8 * degrees + 3) / (8 * degrees + 1)
            found += np.minimum(1.0, factor * ndtr(-np.sqrt(size * -np.expm1(-(scaled**2) / degrees))))
    return found


def every_pattern(blocks: int, step: int) -> Iterator[np.ndarray]:
    """All sign patterns, `step` at a time, shape (blocks, step); the first sign is fixed, because |t| ignores it."""
    for start in range(0, 2 ** (blocks - 1), step):
        numbers = np.arange(start, min(start + step, 2 ** (blocks - 1)))
        bits = numbers >> np.arange(blocks - 1)[:, None] & 1
        yield np.concatenate([np.ones((1, numbers.size)), 1.0 - 2.0 * bits])


def drawn_patterns(blocks: int, draws: int, step: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """That many random sign patterns, `step` at a time, shape (blocks, step)."""
    for start in range(0, draws, step):
        yield rng.integers(0, 2, (blocks, min(step, draws - start))) * 2.0 - 1.0
