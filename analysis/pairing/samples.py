"""What a test is given of one comparison: its paired differences by block, weighted, with its lost pairs if wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ablative.analysis.numbers.estimates import flipped
from ablative.analysis.pairing.losses import Block
from ablative.analysis.pairing.paired import Paired
from ablative.search_spaces.margins import Margin

Sample = Mapping[Block, float]
"""Block -> paired difference, times what its pair counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """The pairs of a comparison as they are tested."""

    values: Sample
    weights: Mapping[Block, float]
    """What each pair counts."""
    margins: Mapping[Block, float]
    """What the margin is in each pair, times what it counts; empty without a margin."""

    @property
    def differences(self) -> tuple[float, ...]:
        """The weighted differences."""
        return tuple(self.values.values())

    @property
    def counts(self) -> tuple[float, ...]:
        """What each pair counts."""
        return tuple(self.weights.values())

    def beyond(self, side: float) -> tuple[float, ...]:
        """Return how far each difference lies above the end of the margin on a side: -1 the lower, 1 the upper."""
        return tuple(value - side * self.margins[block] for block, value in self.values.items())


def sampled(item: Paired, margin: Margin | None = None, side: float | None = None) -> Sampled:
    """Return the pairs of a comparison; with a `side`, lost pairs too, as far as they may have been on that side."""
    lost = () if side is None else item.lost
    values = dict(zip(item.blocks, item.counted, strict=True))
    weights = dict(zip(item.blocks, item.counts_of_pairs, strict=True))
    for pair in lost:
        values[pair.block] = pair.weight * (pair.known + (side or 0.0) * pair.most)
        weights[pair.block] = pair.weight
    margins: dict[Block, float] = {}
    if margin is not None:
        margins = dict(zip(item.blocks, item.margins(margin), strict=True))
        margins |= {pair.block: item.margin_at(pair.block, margin) for pair in lost}
        margins = {block: weights[block] * value for block, value in margins.items()}
    return Sampled(values=values, weights=weights, margins=margins)


def total(sample: Sampled, item: Paired) -> float:
    """Return the statistic of the estimate's test, which has the difference's sign."""
    return math.fsum(flipped(sample.differences, item.estimate))


def against(item: Paired, margin: Margin | None = None) -> Sampled:
    """The pairs, with each lost one as far as it may have been on the other side of their sum."""
    return sampled(item, margin, -1.0 if total(sampled(item), item) > 0 else 1.0)


def furthest(item: Paired, margin: Margin | None = None) -> Sampled:
    """The pairs, with each lost one as far as it may have been on the side where their sum is the greatest."""
    sides = (sampled(item, margin, side) for side in (1.0, -1.0))
    return max(sides, key=lambda sample: abs(total(sample, item)))
