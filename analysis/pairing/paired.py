"""Paired differences of one metric: what a verdict is about, of one arm against another or of a contrast."""

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
    """Differences taken inside pairs of a seed and a task or condition, and the trials they rest on."""

    metric: str
    family: Family
    condition: str
    """Condition label, or `ALL_CONDITIONS`."""
    arms: tuple[str, ...]
    """The arms whose values are paired."""
    blocks: tuple[Block, ...]
    """Task and seed of each pair: what chance moves together."""
    differences: tuple[float, ...]
    """One a pair."""
    lost: tuple[LostPair, ...]
    """Pairs that were planned and will not come."""
    planned_pairs: int
    """Pairs that it is to have once all confirm seeds have run."""
    planned: int
    """Confirm trials planned."""
    completed: int
    """Confirm trials completed with a finite value."""
    failed: int
    missing: int
    """Trials planned and neither completed with a finite value nor failed."""
    estimate: Estimate = "mean"
    """What the difference is: declared by the study."""
    lack: str = ""
    """Why none of the arms has learned anything, wherever they are paired; empty where one has, or nobody knows."""

    @property
    def difference(self) -> float | None:
        """The estimate over the pairs."""
        return estimate_of(self.differences, self.estimate)

    @property
    def difference_interval(self) -> tuple[float, float] | None:
        """95 % interval of `difference`, not corrected: Student's t of the mean, order statistics of the others."""
        if self.estimate == "mean":
            return t_interval(self.differences)
        return estimate_intervals([self.differences], [0.05], self.estimate, np.random.default_rng)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDifference(Paired):
    """One arm against a reference arm; differences are the arm minus the reference."""

    values: tuple[float, ...]
    """The arm's own values, one a seed or block."""
    reference: tuple[float, ...]
    """The reference arm's values in the pairs; of the reference arm itself, empty."""
    strata: int
    """Number of tasks among the values: an interval of the mean is only given within one."""
    majority: float | None
    """Mean of what the most frequent class would reach in the trials behind `values`; None where nobody knows."""
    own_lack: str
    """Why the compared arm has learned nothing; empty where it has, or nobody knows."""

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
        """95 % t-interval of `mean`; None over several tasks, whose levels have no one distribution."""
        return t_interval(self.values) if self.strata == 1 else None

    @property
    def reference_mean(self) -> float | None:
        """Mean of the reference arm over the pairs."""
        return mean_of(self.reference)

    @property
    def relative_gain(self) -> float | None:
        """The difference as a share of `reference_mean`, as papers count it; its sign is the difference's."""
        if self.difference is None or not self.reference_mean:
            return None
        return self.difference / abs(self.reference_mean)
