"""How uncertain the choice of test examples leaves a difference, besides the seeds. Functions of numbers only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablative.analysis.numbers.statistics import mean_and_variance

NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleVariance:
    """Variance of a mean difference under draws of other clusters of examples, with fixed seeds."""

    value: float
    clusters: int

    @property
    def half(self) -> float:
        """Half of the 95 % interval that no number of seeds can narrow."""
        return NORMAL_95 * math.sqrt(self.value)


def example_variance(sums: np.ndarray, sizes: np.ndarray) -> ExampleVariance | None:
    """Variance of the mean difference from clusters of examples; None for fewer than two clusters.

    `sums`: shape (seeds, clusters), each cluster's part of the mean under a seed; `sizes`: examples of each. Let u be
    a cluster's part less its share of the seed's mean. The variance is the sum of squares of u's mean over seeds,
    times C / (C - 1) (the linearised ratio of clusters, Cochran 1977, section 3.12). The joint noise of seeds and
    clusters in that mean is subtracted, because the seeds' own interval contains it. With one seed nothing can be
    subtracted.
    """
    seeds, clusters = sums.shape
    if clusters < 2 or not seeds:
        return None
    rest = sums - sums.sum(axis=1, keepdims=True) * (sizes / sizes.sum())
    mean = rest.mean(axis=0)
    both = float(((rest - mean) ** 2).sum()) / (seeds * (seeds - 1)) if seeds > 1 else 0.0
    return ExampleVariance(
        value=max(0.0, float((mean**2).sum()) - both) * clusters / (clusters - 1), clusters=clusters
    )


def summed(parts: Sequence[ExampleVariance]) -> ExampleVariance:
    """Variance of a sum over several test sets, drawn independently."""
    return ExampleVariance(
        value=math.fsum(part.value for part in parts), clusters=sum(part.clusters for part in parts)
    )


def both_interval(
    differences: Sequence[float], examples: ExampleVariance, weights: Sequence[float] = ()
) -> tuple[float, float] | None:
    """95 % interval of the mean under draws of seeds and of test examples; None of fewer than two differences.

    `weights`: of a weighted mean. Student's t with the sum of both variances and Satterthwaite's degrees of freedom
    (1946).
    """
    from scipy.special import stdtrit

    n = len(differences)
    if n < 2:
        return None
    mean, of_seeds = mean_and_variance(differences, weights)
    total = of_seeds + examples.value
    if total == 0:
        return mean, mean
    freedom = total**2 / (of_seeds**2 / (n - 1) + examples.value**2 / max(1, examples.clusters - 1))
    half = float(stdtrit(freedom, 0.975)) * math.sqrt(total)
    return mean - half, mean + half
