"""Looks that give up arms, by simulation: `python benchmarks/futility.py [--quick]`.

One arm against the reference, 16 blocks, looks after 8 and 12 (spending of Pocock's type), margins and effects in
standard deviations of a difference. An arm ends at a look if its difference is significant or it is equivalent. It
also ends if its chance of showing a difference beyond the margin with all blocks is below `seeds.sequential.futility`.
Noise is normal, of Student's t with 2 degrees of freedom, or exponential. The benchmark counts how often each verdict
comes, and how many blocks it takes. `shown` without effect and `equivalent` with one at the margin are wrong.

With normal noise the margin is also a share of the reference arm's mean (`level`: that mean, in standard deviations of
a difference). Equivalence then takes the share off in each pair, and the chance goes by the mean seen, as in the
product.

Prints a line a point and, at the end, one JSON object of all.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ablative.analysis.numbers.power import chance_beyond
from ablative.analysis.numbers.statistics import exact_p_values
from ablative.search_spaces.spending import spent_at
from simulation import Simulation
from simulation import options

ALPHA = 0.05
LOOKS = (8, 12, 16)
MARGINS = (0.5, 1.0)
FUTILITIES = (None, 0.05, 0.1, 0.2)
EFFECTS = (0.0, 0.5, 1.0, 1.5)
NOISES = ("normal", "heavy tails", "exponential")
LEVEL = 5.0
"""The reference arm's mean where the margin is a share of it."""


def draws(noise: str, studies: int, rng: np.random.Generator) -> np.ndarray:
    """Return differences without effect, shape (studies, blocks), of a standard deviation of about one."""
    shape = (studies, LOOKS[-1])
    if noise == "heavy tails":
        return rng.standard_t(2, size=shape) / 2
    return rng.normal(size=shape) if noise == "normal" else rng.exponential(size=shape) - 1.0


def shared_by_reference(studies: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return normal differences of a standard deviation of one, and the reference arm's values in them."""
    arm, reference = rng.normal(scale=0.5**0.5, size=(2, studies, LOOKS[-1]))
    return arm - reference, LEVEL + reference


def judged(
    values: np.ndarray, margin: float, futility: float | None, reference: np.ndarray | None = None
) -> dict[str, float]:
    """Return the share of each verdict, and the mean number of blocks.

    `values`: differences, shape (studies, blocks). `reference`: values of the reference arm in the same shape, where
    the margin is a share of its mean `LEVEL`.
    """
    studies = len(values)
    shown, equal = np.zeros(studies, bool), np.zeros(studies, bool)
    blocks, going = np.full(studies, LOOKS[-1]), np.arange(studies)
    parts = spent_at(LOOKS, "pocock", ALPHA)
    for upto, part in zip(LOOKS, parts, strict=True):
        seen = values[going, :upto]
        margins = np.full_like(seen, margin) if reference is None else margin / LEVEL * reference[going, :upto]
        amounts = margins.mean(axis=1)
        different = exact_p_values(seen) <= part
        one_sided = np.maximum(exact_p_values(seen + margins), exact_p_values(seen - margins)) / 2
        equivalent = ~different & (np.abs(seen.mean(axis=1)) < amounts) & (one_sided <= part)
        shown[going[different]], equal[going[equivalent]] = True, True
        ends = different | equivalent
        if futility is not None and upto < LOOKS[-1]:
            open_still = np.flatnonzero(~ends)
            chances = [chance_beyond(seen[at].tolist(), float(amounts[at]), LOOKS[-1], parts[-1]) for at in open_still]
            ends[open_still[np.array(chances) < futility]] = True
        blocks[going[ends]] = upto
        going = going[~ends]
    found = {"shown": shown.mean(), "equivalent": equal.mean(), "blocks": blocks.mean()}
    return {name: round(float(value), 4) for name, value in found.items()}


def main() -> None:
    """Measure every point."""
    simulation = Simulation("futility", options(__doc__), studies=5000, quick=200)
    for noise in NOISES:
        values = draws(noise, simulation.studies, np.random.default_rng([simulation.seed, NOISES.index(noise)]))
        for margin, effect, futility in product(MARGINS, EFFECTS, FUTILITIES):
            found = judged(values + effect, margin, futility)
            simulation.add({"noise": noise, "margin": margin, "effect": effect, "futility": futility, **found})
    values, reference = shared_by_reference(simulation.studies, np.random.default_rng([simulation.seed, len(NOISES)]))
    for margin, effect, futility in product(MARGINS, EFFECTS, FUTILITIES):
        found = judged(values + effect, margin, futility, reference)
        simulation.add({"level": LEVEL, "margin": margin, "effect": effect, "futility": futility, **found})
    simulation.end(ALPHA)


if __name__ == "__main__":
    main()
