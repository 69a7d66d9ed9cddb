"""Do the differences of several tasks under one seed move together? Functions of numbers only."""

from __future__ import annotations

from itertools import combinations

import numpy as np

DRAWS = 999
FEWEST = 5
"""Least number of seeds: an exact test of two tasks then has 120 orders."""


def correlation(differences: np.ndarray) -> float | None:
    """Mean correlation over seeds between two tasks, of differences (arms, tasks, seeds); None without any scatter.

    Covariances and variances are pooled over arms before they are divided.
    """
    centred = differences - differences.mean(axis=2, keepdims=True)
    squares = (centred**2).sum(axis=(0, 2))
    pairs = list(combinations(range(differences.shape[1]), 2))
    scale = sum(float(np.sqrt(squares[one] * squares[other])) for one, other in pairs)
    if not scale:
        return None
    return sum(float((centred[:, one] * centred[:, other]).sum()) for one, other in pairs) / scale


def moves_together(differences: np.ndarray, rng: np.random.Generator) -> float:
    """One-sided p-value for a correlation above 0: the seeds of each task in random order, all arms together.

    `differences`: (arms, tasks, seeds). p = (1 + hits) / (1 + draws) (Phipson and Smyth 2010).
    """
    found = correlation(differences)
    if found is None:
        return 1.0
    seeds, hits = differences.shape[2], 0
    for _ in range(DRAWS):
        shuffled = np.stack([task[:, rng.permutation(seeds)] for task in differences.transpose(1, 0, 2)], axis=1)
        other = correlation(shuffled)
        hits += other is not None and other >= found - 1e-12
    return (1 + hits) / (1 + DRAWS)
