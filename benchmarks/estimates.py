"""Estimates of a comparison, by simulation: `python benchmarks/estimates.py [--quick]`.

Mean, median and Hodges-Lehmann estimate of paired differences, each with its own test (`comparisons.estimate`), judge
the same studies: arms against one reference arm. Differences are moved until the estimate's own value over all pairs
is zero; so under skew each has null studies of its own. Power is how often a difference of one robust standard
deviation (the quartiles' distance by 1.349) is shown in the last comparison. Several comparisons are corrected by
Holm's procedure if that can reach significance, else by max-T.

- `heavy tails`: Student's t, 2 degrees of freedom. `collapses`: in every arm one trial in twenty falls by ten standard
  deviations. `arms collapse`: the same in all arms but the reference, in one trial of twenty, or of ten.
- `skewed`: all arms but the reference are exponential; `lognormal`: the same, skewed more.

Prints a line a point and, at the end, one JSON object of all.
"""

from __future__ import annotations

from typing import get_args

import numpy as np

from ablative.analysis.numbers.max_t import adjusted_p_values
from ablative.analysis.numbers.max_t import every_pattern
from ablative.analysis.numbers.paired_tests import signed_ranks
from ablative.search_spaces.spending import Estimate
from ablative.search_spaces.spending import pairs_needed
from error_rates import ALPHA
from error_rates import NOISES
from error_rates import Noise
from error_rates import by_holm
from simulation import Simulation
from simulation import options


def _arms_collapse(share: float) -> Noise:
    def noise(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
        values = rng.normal(size=shape)
        values[:, 1:] -= 10.0 * (rng.random(values[:, 1:].shape) < share)
        return values

    return noise


KINDS: dict[str, Noise] = {
    **{name: NOISES[name] for name in ("normal", "heavy tails", "collapses", "skewed", "lognormal")},
    "arms collapse, 1 of 20": _arms_collapse(0.05),
    "arms collapse, 1 of 10": _arms_collapse(0.1),
}
SIZES = ((6, 1), (8, 1), (12, 1), (20, 1), (12, 3), (6, 6))
"""Blocks, comparisons."""
MOST_BLOCKS = 12
"""Up to which all patterns are counted; beyond, 2,000 are drawn."""


def flipped(values: np.ndarray, estimate: Estimate) -> np.ndarray:
    """Return the values whose signs the estimate's test flips, along the last axis."""
    if estimate == "mean":
        return values
    if estimate == "median":
        return np.sign(values)
    return signed_ranks(values.reshape(-1, values.shape[-1])).reshape(values.shape)


def truth(noise: str, estimate: Estimate) -> float:
    """Return the estimate's value over all possible differences."""
    values = KINDS[noise](np.random.default_rng(0), (1, 2, 1_000_000))
    differences = values[0, 1] - values[0, 0]
    if estimate == "mean":
        return float(differences.mean())
    if estimate == "hodges_lehmann":  # the median of the mean of two independent ones
        differences = (differences[::2] + differences[1::2]) / 2
    return float(np.median(differences))


def point(noise: str, blocks: int, comparisons: int, *, studies: int, seed: int) -> dict[str, object]:
    """Return false positives and power of each estimate's test over so many studies."""
    rng = np.random.default_rng([seed, blocks, comparisons, list(KINDS).index(noise)])
    values = KINDS[noise](rng, (studies, comparisons + 1, blocks))
    differences = values[:, 1:] - values[:, :1]
    far = KINDS[noise](np.random.default_rng(1), (1, 2, 100_000))
    low, high = np.percentile(far[0, 1] - far[0, 0], (25, 75))
    exact = blocks <= MOST_BLOCKS
    by_max_t = blocks < pairs_needed(comparisons, ALPHA)
    signs = next(every_pattern(blocks, 2 ** (blocks - 1))) if exact else rng.choice((-1.0, 1.0), (blocks, 2000))
    found: dict[str, dict[str, float]] = {}
    for estimate in get_args(Estimate):
        shown = {}
        for name, effect in (("false_positives", 0.0), ("power", (high - low) / 1.349)):
            moved = differences - truth(noise, estimate)
            moved[:, -1] += effect
            hits = []
            for some in np.array_split(flipped(moved, estimate), max(1, studies // 100)):
                sizes = np.full(some.shape[:2], float(blocks))
                judged = (
                    adjusted_p_values(some, sizes, [signs], exact=exact)
                    if by_max_t
                    else by_holm(some, signs, exact=exact)
                )
                hits.append(judged <= ALPHA)
            rejected = np.concatenate(hits)
            shown[name] = round(float((rejected[:, -1] if effect else rejected.any(axis=1)).mean()), 4)
        found[estimate] = shown
    return {"noise": noise, "blocks": blocks, "comparisons": comparisons, "max_t": by_max_t, **found}


def main() -> None:
    """Measure every noise at every size."""
    simulation = Simulation("estimates", options(__doc__), studies=5000, quick=200)
    for noise in KINDS:
        for blocks, comparisons in SIZES:
            simulation.add(point(noise, blocks, comparisons, studies=simulation.studies, seed=simulation.seed))
    simulation.end(ALPHA)


if __name__ == "__main__":
    main()
