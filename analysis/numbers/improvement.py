"""Runs against runs, as whole distributions: how often one arm's run beats another's, and how many runs pass a bar.

Both average over tasks, so each task counts the same (Agarwal et al. 2021). Runs are not paired here, because the
question is what a reader gets who trains once, under a seed of her own.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ablative.analysis.numbers.bootstrap import RESAMPLES
from ablative.analysis.numbers.bootstrap import Interval
from ablative.analysis.numbers.bootstrap import Statistic
from ablative.analysis.numbers.bootstrap import bootstrap_interval
from ablative.analysis.numbers.bootstrap import place_intervals
from ablative.analysis.numbers.shapes import Strata
from ablative.analysis.numbers.shapes import of_one_shape
from ablative.search_spaces.ties import levelled

_AT_ONCE = 200_000  # numbers of resamples at a time, as many as a processor's cache holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """How often a run of one arm beats one of another."""

    probability: float
    interval: Interval | None
    """95 %; None if a task has fewer than two runs of an arm."""


def improvements(
    pairs: Sequence[tuple[Strata, Strata]], generator: Callable[[], np.random.Generator], resamples: int = RESAMPLES
) -> list[Improvement | None]:
    """Does a run of the first beat one of the second? P(X > Y) + P(X = Y) / 2, averaged over the tasks.

    On one task it is U / (n m), with U the statistic of Mann and Whitney (1947). It is 0.5 if both are alike; runs of
    a task that differ only in their last bits are equal. Both sides of a pair have the same tasks in the same order,
    and any number of runs. The interval is a percentile bootstrap: runs of both sides are resampled inside each task,
    each pair with a new `generator()`. None for a pair without runs.
    """
    found: list[Improvement | None] = [None] * len(pairs)
    for positions, rows in of_one_shape([[*first, *second] for first, second in pairs]):
        tasks = len(rows) // 2
        wins = [_wins(*sides) for sides in zip(rows[:tasks], rows[tasks:], strict=True)]
        step = max(1, _AT_ONCE // (resamples * max(_sizes(wins))))
        for start in range(0, len(positions), step):
            some = [duels[start : start + step] for duels in wins]
            probabilities = _averaged([duels.sum(axis=(-2, -1)) for duels in some], some).tolist()
            intervals = _intervals(some, generator, resamples)
            for position, probability, interval in zip(
                positions[start : start + step], probabilities, intervals, strict=True
            ):
                found[position] = Improvement(probability=probability, interval=interval)
    return found


def _intervals(
    wins: Sequence[np.ndarray], generator: Callable[[], np.random.Generator], resamples: int
) -> Iterable[Interval | None]:
    sizes = _sizes(wins)
    if min(sizes) < 2:
        return [None] * len(wins[0])
    drawn = partial(_at_places, wins)
    return place_intervals(sizes, drawn, generator(), method="percentile", resamples=resamples)


def _wins(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 if a run of `first` (samples, n) beats one of `second` (samples, m), 1/2 if they tie."""
    equal = levelled(np.concatenate([first, second], axis=-1))
    mine, other = equal[:, : first.shape[-1], None], equal[:, None, first.shape[-1] :]
    return np.asarray((mine > other) + 0.5 * (mine == other))


def _averaged(won: Sequence[np.ndarray], wins: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over tasks of the share of duels won; sums of halves are exact."""
    shares = [of_task / (duels.shape[-2] * duels.shape[-1]) for of_task, duels in zip(won, wins, strict=True)]
    return np.asarray(np.mean(shares, axis=0))


def _at_places(wins: Sequence[np.ndarray], *places: np.ndarray, axis: int = -1) -> np.ndarray:
    """The probability in each resample: a duel counts as often as both its runs were drawn."""
    counts = [_times_drawn(drawn, size) for drawn, size in zip(places, _sizes(wins), strict=True)]
    tasks = len(wins)
    won = [
        np.einsum("srm,rm->sr", mine @ duels, other)
        for duels, mine, other in zip(wins, counts[:tasks], counts[tasks:], strict=True)
    ]
    return _averaged(won, wins)


def _sizes(wins: Sequence[np.ndarray]) -> list[int]:
    return [*(duels.shape[-2] for duels in wins), *(duels.shape[-1] for duels in wins)]


def _times_drawn(places: np.ndarray, size: int) -> np.ndarray:
    """How often each of `size` runs was drawn, shape (resamples, size)."""
    counts = np.zeros((len(places), size))
    np.add.at(counts, (np.arange(len(places))[:, None], places), 1.0)
    return counts


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
