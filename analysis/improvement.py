"""Runs against runs, whole distributions: how often one arm's run beats another's, and how many runs pass a bar.

Both average over tasks, so that each task counts the same (Agarwal et al. 2021). Runs are not paired here: asked is
what a reader gets who trains once, under a seed of her own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.bootstrap import RESAMPLES
from analysis.bootstrap import Statistic
from analysis.bootstrap import Strata
from analysis.bootstrap import bootstrap_interval


def probability_of_improvement(first: Strata, second: Strata) -> float:
    """Does a run of `first` beat one of `second`? P(X > Y) + P(X = Y) / 2, averaged over the tasks.

    On one task it is U / (n m), with U the statistic of Mann and Whitney (1947). 0.5 where both are alike. `first` and
    `second` have the same tasks in the same order, and any number of runs.
    """
    return float(_improvement(*first, *second))


def improvement_interval(
    first: Strata, second: Strata, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """95 % percentile interval of `probability_of_improvement`: runs of both sides are drawn anew inside each task."""
    return bootstrap_interval([*first, *second], _improvement, rng, method="percentile", resamples=resamples)


def _improvement(*strata: np.ndarray, axis: int = -1) -> np.ndarray:
    tasks = len(strata) // 2
    return np.mean([_of_task(*sides) for sides in zip(strata[:tasks], strata[tasks:], strict=True)], axis=0)


def _of_task(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    mine, other = first[..., :, None], second[..., None, :]
    return np.mean((mine > other) + 0.5 * (mine == other), axis=(-2, -1))


def performance_profile(scores: Strata, bars: Sequence[float]) -> list[float]:
    """How many runs pass a bar? For each, the share of runs above it, averaged over tasks (Dolan and Moré 2002)."""
    return [float(_share_above(bar)(*scores)) for bar in bars]


def profile_intervals(
    scores: Strata, bars: Sequence[float], rng: np.random.Generator, resamples: int = RESAMPLES
) -> list[tuple[float, float] | None]:
    """95 % percentile intervals of `performance_profile`, each for its bar alone."""
    return [bootstrap_interval(scores, _share_above(b), rng, method="percentile", resamples=resamples) for b in bars]


def _share_above(bar: float) -> Statistic:
    return lambda *tasks, axis=-1: np.mean([np.mean(runs > bar, axis=axis) for runs in tasks], axis=0)
