"""Paired differences of one metric, the subject of a verdict: of one arm against another, or of a contrast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ablative.analysis.numbers.estimates import estimate_intervals
from ablative.analysis.numbers.estimates import estimate_of
from ablative.analysis.numbers.statistics import t_interval
from ablative.analysis.pairing.losses import Block
from ablative.analysis.pairing.losses import LostPair
from ablative.orchestrator.reached import mean_of
from ablative.search_spaces.margins import Margin
from ablative.search_spaces.spending import Estimate

Family = Literal["pooled", "cells"]
"""`pooled`: each arm over all conditions (primary). `cells`: each arm in each condition."""

ALL_CONDITIONS = "all conditions"


def weighted(values: Sequence[float], weights: Sequence[float]) -> tuple[float, ...]:
    """Return the values, each times its weight; as they are without weights."""
    return tuple(v * w for v, w in zip(values, weights, strict=True)) if weights else tuple(values)


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float | None:
    """Return the mean of the values, weighted if there are weights; None of nothing."""
    return math.fsum(weighted(values, weights)) / math.fsum(weights) if weights else mean_of(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Differences inside pairs of a seed and a task or condition, and the trials behind them."""

    metric: str
    family: Family
    condition: str
    """Condition label, or `ALL_CONDITIONS`."""
    arms: tuple[str, ...]
    """The arms whose values are paired."""
    blocks: tuple[Block, ...]
    """Task and seed of each pair: the unit of chance."""
    differences: tuple[float, ...]
    """One per pair."""
    lost: tuple[LostPair, ...]
    """Pairs that were planned and are lost."""
    planned_pairs: int
    """Pairs that it will have once all confirm seeds have run."""
    planned: int
    """Confirm trials planned."""
    completed: int
    """Confirm trials completed with a finite value."""
    failed: int
    missing: int
    """Trials planned that are neither completed with a finite value nor failed."""
    estimate: Estimate = "mean"
    """The estimate of the difference, declared by the study."""
    weights: tuple[float, ...] = ()
    """What each pair counts, 1 for the mean of tasks; empty where all count alike."""
    reference: tuple[float, ...] = ()
    """What is compared with, one a pair: the other arm's values, or the mean of the arms that are subtracted. A margin
    may be a share of it. Empty where nobody knows, and of the reference arm itself."""
    lack: str = ""
    """Why none of the arms has learned anything anywhere; empty if one has, or nobody knows."""

    @property
    def counts_of_pairs(self) -> tuple[float, ...]:
        """What each pair counts."""
        return self.weights or (1.0,) * len(self.differences)

    @property
    def counted(self) -> tuple[float, ...]:
        """The differences, each times what its pair counts: what tests flip the signs of."""
        return weighted(self.differences, self.weights)

    @property
    def difference(self) -> float | None:
        """The estimate over the pairs."""
        if self.weights and self.differences:
            return math.fsum(self.counted) / math.fsum(self.weights)
        return estimate_of(self.differences, self.estimate)

    @property
    def difference_interval(self) -> tuple[float, float] | None:
        """95 % interval of `difference`, not corrected: Student's t for the mean, order statistics for the others."""
        if self.estimate == "mean":
            return t_interval(self.differences, weights=self.weights)
        return estimate_intervals([self.differences], [0.05], self.estimate, np.random.default_rng)[0]

    @property
    def reference_mean(self) -> float | None:
        """Mean over the pairs of what is compared with."""
        return weighted_mean(self.reference, self.weights)

    def margins(self, margin: Margin) -> tuple[float, ...]:
        """Return what the margin is in each pair: the number, or its share of what the pair is compared with."""
        if not margin.relative:
            return (margin.value,) * len(self.differences)
        return tuple(margin.value * value for value in self.reference or (0.0,) * len(self.differences))

    def resolved(self, margin: Margin | None) -> float | None:
        """Return the margin in units of the metric; None of a share of a mean that is not above 0, or not known."""
        if margin is None:
            return None
        if not margin.relative:
            return margin.value
        mean = self.reference_mean
        return margin.value * mean if mean is not None and mean > 0 else None

    def margin_at(self, block: Block, margin: Margin) -> float:
        """Return what the margin would be in a pair that was lost: a share is of the mean of the task's others."""
        if not margin.relative:
            return margin.value
        known = list(zip(self.blocks, self.reference, strict=True)) if self.reference else []
        alike = [value for (stratum, _), value in known if stratum == block[0]] or [value for _, value in known]
        return margin.value * (mean_of(alike) or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDifference(Paired):
    """One arm against a reference arm; differences are the arm minus the reference."""

    values: tuple[float, ...]
    """The arm's own values, one per seed or block."""
    value_weights: tuple[float, ...] = ()
    """What each of `values` counts; empty where all count alike."""
    strata: int
    """Number of tasks among the values: an interval of the mean exists only within one."""
    majority: float | None
    """Mean score of the most frequent class in the trials behind `values`; None if nobody knows."""
    own_lack: str
    """Why the compared arm has learned nothing; empty if it has, or nobody knows."""

    @property
    def arm(self) -> str:
        """The arm that is compared."""
        return self.arms[0]

    @property
    def mean(self) -> float | None:
        """Mean of the arm's values."""
        return weighted_mean(self.values, self.value_weights)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % t-interval of `mean`; None over several tasks, whose levels do not share a distribution."""
        return t_interval(self.values) if self.strata == 1 else None

    @property
    def relative_gain(self) -> float | None:
        """The difference as a share of `reference_mean`, as in papers; its sign is the difference's."""
        if self.difference is None or not self.reference_mean:
            return None
        return self.difference / abs(self.reference_mean)
