"""Tasks under one seed, by simulation: `python benchmarks/same_seed.py [--quick]`.

Trials of several tasks under one seed start from one random stream, so the paired differences of an arm may correlate
between tasks. Here they do, by a given amount, without any true effect. Blocks are once each task under each seed
(`comparisons.blocks: task_and_seed`) and once each seed (`seed`). The tests are those of the product: exact sign
flips, Student's intervals. `effects apart` lets true effects of a standard deviation of the noise differ between
tasks, with the mean 0 over them. Prints a line a point and, at the end, one JSON object of all.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from ablative.analysis.numbers.statistics import exact_p_values
from simulation import Simulation
from simulation import options

ALPHA = 0.05
SHAPES = ((2, 6), (3, 6), (2, 12), (3, 12))
"""Tasks, seeds."""
CORRELATIONS = (0.0, 0.1, 0.2, 0.4, 0.8)
MOST_PAIRS = 12
"""Up to which all patterns are counted here; beyond, the t-test stands for the sign flips."""


def values_of(
    tasks: int, seeds: int, correlation: float, apart: float, studies: int, rng: np.random.Generator
) -> np.ndarray:
    """Return paired differences, shape (studies, tasks, seeds)."""
    shared = rng.normal(size=(studies, 1, seeds)) * correlation**0.5
    own = rng.normal(size=(studies, tasks, seeds)) * (1 - correlation) ** 0.5
    effects = rng.normal(size=(studies, tasks, 1)) * apart
    return shared + own + effects - effects.mean(axis=1, keepdims=True)


def judged(found: np.ndarray) -> dict[str, float]:
    """Return false positives, coverage and width of the intervals, of differences (studies, pairs)."""
    pairs = found.shape[1]
    half = stats.t.ppf(0.975, pairs - 1) * stats.sem(found, axis=1)
    p = exact_p_values(found) if pairs <= MOST_PAIRS else stats.ttest_1samp(found, 0.0, axis=1).pvalue
    return {
        "false_positives": round(float((p <= ALPHA + 1e-12).mean()), 4),
        "coverage": round(float((np.abs(found.mean(axis=1)) <= half).mean()), 4),
        "width": round(float(2 * half.mean()), 3),
    }


def main() -> None:
    """Measure both kinds of block at every point."""
    simulation = Simulation("same_seed", options(__doc__), studies=5000, quick=500)
    cases = [(correlation, 0.0) for correlation in CORRELATIONS] + [(0.0, 1.0)]
    for tasks, seeds in SHAPES:
        for correlation, apart in cases:
            rng = np.random.default_rng([simulation.seed, tasks, seeds, int(100 * correlation), int(apart)])
            values = values_of(tasks, seeds, correlation, apart, simulation.studies, rng)
            simulation.add(
                {
                    "tasks": tasks,
                    "seeds": seeds,
                    "correlation": correlation,
                    "effects_apart": apart,
                    "task_and_seed": judged(values.reshape(simulation.studies, -1)),
                    "seed": judged(values.mean(axis=1)),
                }
            )
    simulation.end(ALPHA)


if __name__ == "__main__":
    main()
