"""Paired differences of one metric, the subject of a verdict: of one arm against another, or of a contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ablative.analysis.numbers.estimates import estimate_intervals
from ablative.analysis.numbers.estimates import estimate_of
from ablative.analysis.numbers.statistics import t_interval
from ablative.analysis.pairing.losses import Block
from ablative.analysis.pairing.losses import LostPair
from ablative.orchestrator.reached import mean_of
from ablative.search_spaces.spending import Estimate

Family = Literal["pooled", "cells"]
"""`pooled`: each arm over all conditions (primary). `cells`: each arm in each condition."""

ALL_CONDITIONS = "all conditions"


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
    lack: str = ""
    """Why none of the arms has learned anything anywhere; empty if one has, or nobody knows."""

    @property
    def difference(self) -> float | None:
        """The estimate over the pairs."""
        return estimate_of(self.differences, self.estimate)

    @property
    def difference_interval(self) -> tuple[float, float] | None:
        """95 % interval of `difference`, not corrected: Student's t for the mean, order statistics for the others."""
        if self.estimate == "mean":
            return t_interval(self.differences)
        return estimate_intervals([self.differences], [0.05], self.estimate, np.random.default_rng)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDifference(Paired):
    """One arm against a reference arm; differences are the arm minus the reference."""

    values: tuple[float, ...]
    """The arm's own values, one per seed or block."""
    reference: tuple[float, ...]
    """The reference arm's values in the pairs; empty for the reference arm itself."""
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
        return mean_of(self.values)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % t-interval of `mean`; None over several tasks, whose levels do not share a distribution."""
        return t_interval(self.values) if self.strata == 1 else None

    @property
    def reference_mean(self) -> float | None:
        """Mean of the reference arm over the pairs."""
        return mean_of(self.reference)

    @property
    def relative_gain(self) -> float | None:
        """The difference as a share of `reference_mean`, as in papers; its sign is the difference's."""
        if self.difference is None or not self.reference_mean:
            return None
        return self.difference / abs(self.reference_mean)
