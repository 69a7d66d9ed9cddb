"""Declared weights for tasks of unlike scatter, by simulation: `python benchmarks/weights.py [--quick]`.

One arm against the reference on three tasks of six seeds, whose paired differences scatter as those of the kept study
`mini_clip_td` do (.0131, .0301 and .0081). The weights of tasks (`comparisons.weights`):

- `none`: all tasks count alike, the default. `true`: one over the true variance.
- `pilot`: one over the variance in another run of so many seeds and one arm, which shares nothing with this one.
- `same data`: one over the variance of the tested differences themselves, which nobody can declare beforehand.

`errors` is the share of studies without any effect that show a difference at alpha .05; `coverage` is that of the
plain 95 % interval there. `power` is measured for the same effect of .008 in every task. It is also measured for an
effect of .024 in only the task whose scatter is largest; the weights decide what remains of it in the weighted mean.
Noise: `normal`; `t3`: Student's t with 3 degrees of freedom; `skewed`: an exponential arm against a normal reference.
Tests and intervals are the product's.

Prints a line a point and, at the end, one JSON object of all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ablative.analysis.numbers.statistics import t_interval
from ablative.analysis.pairing.verdicts import p_values
from simulation import Simulation
from simulation import options

SCATTERS = np.array([0.0131, 0.0301, 0.0081])
"""Standard deviations of a block's paired difference: SNLI-VE, VCR and VQA of `mini_clip_td`."""
SEEDS, EFFECT, ALPHA = 6, 0.008, 0.05
NOISES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t3": lambda rng, shape: rng.standard_t(3, size=shape) / 3**0.5,
    "skewed": lambda rng, shape: (rng.exponential(size=shape) - 1 + rng.normal(size=shape)) / 2**0.5,
}
WEIGHTINGS = ("none", "true", "pilot", "same data")


def weights_of(weighting: str, differences: np.ndarray, pilot: np.ndarray) -> np.ndarray:
    """Return the weight of each task, of mean 1; `differences` and `pilot`: shape (tasks, seeds)."""
    if weighting == "none":
        return np.ones(len(differences))
    known = {"true": SCATTERS**2, "pilot": pilot.var(axis=1, ddof=1), "same data": differences.var(axis=1, ddof=1)}
    found = 1 / known[weighting]
    return np.asarray(found / found.mean())


def point(noise: str, weighting: str, *, studies: int, seed: int) -> dict[str, Any]:
    """Return errors, coverage and power over so many studies."""
    rng = np.random.default_rng([seed, list(NOISES).index(noise)])
    one_task = np.array([0.0, 3 * EFFECT, 0.0])
    samples: dict[str, list[list[float]]] = {"null": [], "uniform": [], "one task": []}
    held = 0
    for _ in range(studies):
        drawn = NOISES[noise](rng, (2, len(SCATTERS), SEEDS)) * SCATTERS[:, None]
        weights = weights_of(weighting, drawn[0], drawn[1])
        each = np.repeat(weights, SEEDS)
        for name, effect in (("null", 0.0), ("uniform", EFFECT), ("one task", one_task[:, None])):
            samples[name].append((each * (drawn[0] + effect).ravel()).tolist())
        ends = t_interval(drawn[0].ravel().tolist(), weights=each.tolist())
        held += ends is not None and ends[0] <= 0 <= ends[1]
    shown = {
        name: sum(p is not None and p <= ALPHA for p in p_values(found)) / studies for name, found in samples.items()
    }
    return {
        "noise": noise,
        "weights": weighting,
        "errors": round(shown["null"], 4),
        "coverage": round(held / studies, 4),
        "power_uniform": round(shown["uniform"], 4),
        "power_one_task": round(shown["one task"], 4),
    }


def main() -> None:
    """Measure every weighting under every noise."""
    simulation = Simulation("weights", options(__doc__), studies=5000, quick=100)
    for noise in NOISES:
        for weighting in WEIGHTINGS:
            simulation.add(point(noise, weighting, studies=simulation.studies, seed=simulation.seed))
    simulation.end()


if __name__ == "__main__":
    main()
