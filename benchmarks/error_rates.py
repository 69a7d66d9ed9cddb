"""False positives and power of the corrections, by simulation: `python benchmarks/error_rates.py [--quick]`.

A study is a table of values, arms by blocks, of which one arm is the reference; all arms share a level in each block.
Without effects it has a false positive if any comparison is shown at alpha 0.05; with one true effect of a standard
deviation of a difference, its power is how often that one is shown. Both corrections judge the same studies.
`unequal` makes one arm scatter three times as much, `collapses` lets one trial in twenty of any arm fall by ten
standard deviations, `skewed` draws all arms but the reference from an exponential distribution: its differences are
not symmetric, so there the tests are not exact.
Prints a line a point and, at the end, one JSON object of all.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

from ablative.analysis.numbers.max_t import max_t
from ablative.analysis.numbers.statistics import exact_p_values
from ablative.analysis.numbers.statistics import holm

ALPHA = 0.05
Noise = Callable[[np.random.Generator, int, int], np.ndarray]
"""(Generator, arms, blocks) -> values."""


def _unequal(rng: np.random.Generator, arms: int, blocks: int) -> np.ndarray:
    values = rng.normal(size=(arms, blocks))
    values[1] *= 3
    return values


def _collapses(rng: np.random.Generator, arms: int, blocks: int) -> np.ndarray:
    return rng.normal(size=(arms, blocks)) - 10.0 * (rng.random((arms, blocks)) < 0.05)


def _skewed(rng: np.random.Generator, arms: int, blocks: int) -> np.ndarray:
    values = rng.exponential(size=(arms, blocks)) - 1.0
    values[0] = rng.normal(size=blocks)
    return values


NOISES: dict[str, Noise] = {
    "normal": lambda rng, arms, blocks: rng.normal(size=(arms, blocks)),
    "heavy tails": lambda rng, arms, blocks: rng.standard_t(2, size=(arms, blocks)),
    "discrete": lambda rng, arms, blocks: np.round(rng.normal(size=(arms, blocks))),
    "unequal": _unequal,
    "skewed": _skewed,
    "collapses": _collapses,
}
SIZES = ((6, 1), (6, 3), (6, 6), (6, 12), (8, 6), (12, 3), (12, 12), (12, 60), (20, 6))
"""Blocks, comparisons."""
MISSING = 0.1
"""Share of the trials that have no value, where some are missing."""


def differences(values: np.ndarray, missing: np.ndarray) -> list[dict[int, float]]:
    """Return the paired differences of each arm with the first one: block -> difference."""
    found = values[1:] - values[0]
    lost = missing[1:] | missing[0]
    return [
        {block: float(value) for block, (value, gone) in enumerate(zip(row, out, strict=True)) if not gone}
        for row, out in zip(found, lost, strict=True)
    ]


def by_holm(samples: Sequence[dict[int, float]]) -> list[float | None]:
    """Return Holm's adjusted p-values of the sign-flip tests."""
    return holm([float(exact_p_values(np.array([list(s.values())]))[0]) if s else None for s in samples])


def point(
    noise: str, blocks: int, comparisons: int, *, studies: int, share_missing: float, seed: int
) -> dict[str, object]:
    """Return false positives and power of both corrections over so many studies."""
    rng = np.random.default_rng([seed, blocks, comparisons, list(NOISES).index(noise), int(100 * share_missing)])
    false, power = {"holm": 0, "max_t": 0}, {"holm": 0, "max_t": 0}
    scale = np.std(np.diff(NOISES[noise](np.random.default_rng(0), 2, 100_000), axis=0))
    for _ in range(studies):
        values = NOISES[noise](rng, comparisons + 1, blocks)
        missing = rng.random(values.shape) < share_missing
        nulls = differences(values, missing)
        values[-1] += scale
        true = differences(values, missing)
        for name, judge in (("holm", by_holm), ("max_t", lambda samples: max_t(samples, rng))):
            false[name] += any(p is not None and p <= ALPHA for p in judge(nulls))
            last = judge(true)[-1]
            power[name] += last is not None and last <= ALPHA
    rates = {name: round(count / studies, 4) for name, count in false.items()}
    return {
        "noise": noise,
        "blocks": blocks,
        "comparisons": comparisons,
        "missing": share_missing,
        "false_positives": rates,
        "power": {name: round(count / studies, 4) for name, count in power.items()},
    }


def main() -> None:
    """Measure every noise at every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few studies a point, and few points")
    parser.add_argument("--studies", type=int, default=5000, help="studies a point [5000]")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    studies = 300 if options.quick else options.studies
    sizes = SIZES[:6] if options.quick else SIZES
    began, points = time.perf_counter(), []
    for noise in NOISES:
        for blocks, comparisons in sizes:
            for share_missing in (0.0, MISSING) if (blocks, comparisons) == (12, 3) else (0.0,):
                found = point(
                    noise, blocks, comparisons, studies=studies, share_missing=share_missing, seed=options.seed
                )
                points.append(found)
                print(json.dumps(found), flush=True)
    error = round((ALPHA * (1 - ALPHA) / studies) ** 0.5, 4)
    seconds = round(time.perf_counter() - began, 1)
    print(json.dumps({"benchmark": "error_rates", "studies": studies, "error": error, "s": seconds, "points": points}))


if __name__ == "__main__":
    main()
