"""Step-down max-T: p-values of comparisons that share their blocks, corrected for one another as what they are."""

from __future__ import annotations

from collections.abc import Hashable
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
"""Patterns times comparisons that are in memory together."""


def max_t(samples: Sequence[Mapping[Block, float]], rng: np.random.Generator) -> list[float | None]:
    """Return the adjusted p-value of each comparison, in the order given (Westfall and Young 1993, algorithm 2.8).

    `samples`: block -> paired difference, for each comparison; a block may be missing in some. All differences of a
    block change sign together, so that comparisons that share arms and seeds stay as dependent as they are. This
    bounds the chance of any false positive where, under the null hypotheses, the differences of a block are jointly
    symmetric about zero and blocks are independent. The statistic is |t| of the comparison's differences, as a normal
    score (Wallace 1959), so that comparisons with few blocks and with many are on one scale. Up to `MOST_EXACT` every
    pattern is counted; beyond, (1 + hits) / (1 + `DRAWS`) over patterns drawn from `rng`. A comparison without
    differences gets None; one with a single difference can show nothing, and gets 1.
    """
    known = [position for position, sample in enumerate(samples) if sample]
    found: list[float | None] = [None] * len(samples)
    if not known:
        return found
    blocks = list(dict.fromkeys(block for sample in samples for block in sample))
    values = np.array([[samples[position].get(block, 0.0) for block in blocks] for position in known])
    sizes = np.array([len(samples[position]) for position in known], dtype=np.float64)
    observed = _scores(values.sum(axis=1, keepdims=True), values, sizes)[:, 0]
    order = np.argsort(-observed, kind="stable")
    values, sizes, observed = values[order], sizes[order], observed[order]
    reached = observed * (1 - RELATIVE_TIE)
    exact = 2 ** (len(blocks) - 1) * len(known) <= MOST_EXACT
    total = 2 ** (len(blocks) - 1) if exact else DRAWS
    step = max(1, _AT_ONCE // len(known))
    hits = np.zeros(len(known))
    for start in range(0, total, step):
        count = min(step, total - start)
        signs = _patterns(start, count, len(blocks)) if exact else rng.integers(0, 2, (len(blocks), count)) * 2.0 - 1.0
        scores = _scores(values @ signs, values, sizes)
        greatest = np.zeros(count)
        for place in range(len(known) - 1, -1, -1):  # of this comparison and of all that are less clear
            np.maximum(greatest, scores[place], out=greatest)
            hits[place] += np.count_nonzero(greatest >= reached[place])
    p_values = np.maximum.accumulate(hits / total if exact else (1 + hits) / (1 + total))
    for place, p_value in zip(order, p_values, strict=True):
        found[known[place]] = float(p_value)
    return found


def _scores(sums: np.ndarray, values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Normal scores of |t|, given sums of signed differences, shape (comparisons, patterns).

    With s the sum and q the sum of squares of n differences, t^2 / (n - 1) = r / (1 - r) with r = s^2 / (n q).
    """
    squares = (values**2).sum(axis=1)[:, None]
    degrees, sizes = (sizes - 1)[:, None], sizes[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.where((squares > 0) & (degrees > 0), 1 / (sizes * squares), 0.0)
        shares = sums**2 * factors
        shares[shares >= 1 - RELATIVE_TIE] = 1.0
        if np.all(degrees == degrees[0]):  # shares have the order of scores, and take a tenth of the time
            return shares
        return np.asarray((8 * degrees + 1) / (8 * degrees + 3) * np.sqrt(degrees * -np.log1p(-shares)))


def _patterns(start: int, count: int, size: int) -> np.ndarray:
    """Sign patterns number `start` and so on, shape (size, count); the first sign is fixed, as |t| is blind to it."""
    bits = np.arange(start, start + count) >> np.arange(size - 1)[:, None] & 1
    return np.concatenate([np.ones((1, count)), 1.0 - 2.0 * bits])
