"""The luck of the search, by simulation: `python benchmarks/search_luck.py [--quick]`.

These studies have no true effect, and a search with noisy trials finds each arm's setting. A trial has noise of its
own (standard deviation 1); what all arms share under a seed cancels out and is left out. The settings of a search lie
in equal strata of a domain whose best value is at 0.6, the same for all arms, and lose with the square of the
distance: the variance between them is that of the noise. Arms under one search seed try the same settings. Trials of a
nested search have half of their noise on val and test in common. Differences are averaged over the conditions of a
task, paired by task and seed, tested by sign flips (up to 12 pairs all patterns, else 4095 drawn) and corrected by
Holm.

For each design: trials of a cell; share of studies with a significant difference (alpha 0.05); the share that the risk
line predicts, with the luck of these searches (`expected`) and with the luck that it assumes without records
(`assumed`); share of 95 % t-intervals that hold the true difference; share of studies that find one true effect of
0.75. Prints a line a design and, at the end, one JSON object of all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ablative.search_spaces.search_risk import Kind
from ablative.search_spaces.search_risk import Scatter
from ablative.search_spaces.search_risk import SearchDesign
from ablative.search_spaces.search_risk import assumed
from ablative.search_spaces.search_risk import risk

ALPHA, EFFECT = 0.05, 0.75
BEST = 0.6
LOSS = 3.8
"""Of the far end of the domain; the variance between settings is then that of a trial's noise."""
ALL_PATTERNS = 12
DRAWN = 4095
AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The common settings of a study's designs."""

    name: str
    arms: int
    tasks: int
    conditions: int
    """Of each task."""
    settings: int = 3


SHAPES = (
    Shape(name="mini_clip_td", arms=14, tasks=3, conditions=3),
    Shape(name="quickstart", arms=4, tasks=2, conditions=2),
)
DESIGNS: tuple[tuple[str, Kind, int, int, int], ...] = (
    ("one search seed", "single", 1, 1, 6),
    ("one search seed, twice the confirm seeds", "single", 1, 1, 12),
    ("one search seed, 15 confirm seeds", "single", 1, 1, 15),
    ("2 search seeds", "single", 2, 1, 6),
    ("4 search seeds", "single", 4, 1, 6),
    ("2 repeats", "repeated", 1, 2, 6),
    ("3 repeats, 9 confirm seeds", "repeated", 1, 3, 9),
    ("4 repeats", "repeated", 1, 4, 6),
    ("6 repeats", "repeated", 1, 6, 6),
    ("nested", "nested", 1, 6, 6),
    ("shared", "shared", 1, 1, 6),
    ("shared, 15 confirm seeds", "shared", 1, 1, 15),
)
"""(Name, kind, search seeds of a search, searches, confirm seeds)."""


def design_of(shape: Shape, kind: Kind, search_seeds: int, searches: int, seeds: int) -> SearchDesign:
    """Return a design of a study."""
    return SearchDesign(
        kind=kind,
        settings=shape.settings,
        search_seeds=search_seeds,
        searches=searches,
        seeds=seeds,
        tasks=shape.tasks,
        comparisons=shape.arms - 1,
        cells=1,
    )


def differences(shape: Shape, design: SearchDesign, studies: int, rng: np.random.Generator) -> np.ndarray:
    """Return the paired differences with the first arm, shape (studies, arms - 1, tasks * seeds)."""
    blocks = [_task(shape, design, studies, rng) for _ in range(shape.tasks)]
    values = np.concatenate(blocks, axis=2)
    return values[:, 1:] - values[:, :1]


def _task(shape: Shape, design: SearchDesign, studies: int, rng: np.random.Generator) -> np.ndarray:
    each = (_condition(shape, design, studies, rng) for _ in range(shape.conditions))
    return sum(each, np.zeros((studies, shape.arms, design.seeds))) / shape.conditions


def _condition(shape: Shape, design: SearchDesign, studies: int, rng: np.random.Generator) -> np.ndarray:
    """Return the test values of all arms under all confirm seeds, shape (studies, arms, seeds)."""
    size = (studies, design.searches, design.settings)
    strata = rng.permuted(np.broadcast_to(np.arange(design.settings), size), axis=2)
    settings = (strata + rng.random(size)) / design.settings
    true = -LOSS * ((settings - BEST) / BEST) ** 2  # (studies, searches, settings)
    of_trials = (*size, shape.arms)
    if design.kind == "nested":
        common = rng.normal(scale=0.5**0.5, size=of_trials)
        val = true[..., None] + common + rng.normal(scale=0.5**0.5, size=of_trials)
        test = true[..., None] + common + rng.normal(scale=0.5**0.5, size=of_trials)
        chosen = val.argmax(axis=2)[:, :, None]
        return np.take_along_axis(test, chosen, axis=2)[:, :, 0].transpose(0, 2, 1)
    val = true[..., None] + rng.normal(scale=design.search_seeds**-0.5, size=of_trials)
    if design.kind == "shared":
        val = np.broadcast_to(val.mean(axis=3, keepdims=True), of_trials)
    found = np.take_along_axis(true, val.argmax(axis=2).reshape(studies, design.searches, -1), axis=2)
    dealt = found[:, np.arange(design.seeds) % design.searches].transpose(0, 2, 1)
    return dealt + rng.normal(size=dealt.shape)


def _scatter(shape: Shape, design: SearchDesign, rng: np.random.Generator, draws: int = 4000) -> Scatter:
    """Return the variance of what a search finds among given settings: half the mean square between two searches."""
    strata = rng.permuted(np.broadcast_to(np.arange(design.settings), (draws, design.settings)), axis=1)
    true = -LOSS * (((strata + rng.random(strata.shape)) / design.settings - BEST) / BEST) ** 2
    noise = rng.normal(scale=design.search_seeds**-0.5, size=(2, *true.shape))
    first, second = (np.take_along_axis(true, (true + one).argmax(axis=1)[:, None], axis=1) for one in noise)
    return Scatter(luck=float(((first - second) ** 2).mean() / 2))


def p_values(found: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return sign-flip p-values of differences (studies, arms, pairs), by patterns (pairs, patterns)."""
    flipped = np.abs(found @ signs)
    hits = (flipped >= np.abs(found.sum(axis=2))[..., None] - 1e-9).sum(axis=2)
    exact = found.shape[2] <= ALL_PATTERNS
    return hits / signs.shape[1] if exact else (1 + hits) / (1 + signs.shape[1])


def patterns(pairs: int, rng: np.random.Generator) -> np.ndarray:
    """Return patterns of signs, (pairs, patterns): all but mirrored ones, or drawn ones."""
    if pairs > ALL_PATTERNS:
        return rng.choice([-1.0, 1.0], size=(pairs, DRAWN))
    codes = np.arange(1 << (pairs - 1))
    return 1.0 - 2.0 * ((codes >> np.arange(pairs)[:, None]) & 1)


def shown(p: np.ndarray) -> np.ndarray:
    """Return which comparisons Holm's procedure shows, shape as `p` (studies, arms)."""
    order = np.argsort(p, axis=1)
    steps = np.take_along_axis(p, order, axis=1) * np.arange(p.shape[1], 0, -1)
    passes = np.maximum.accumulate(steps, axis=1) <= ALPHA
    result = np.zeros_like(passes)
    np.put_along_axis(result, order, passes, axis=1)
    return result


def point(shape: Shape, name: str, design: SearchDesign, *, studies: int, seed: int) -> dict[str, object]:
    """Return the findings of one design over many studies."""
    rng = np.random.default_rng([seed, *map(ord, shape.name + name)])
    signs = patterns(design.tasks * design.seeds, rng)
    false = power = covered = 0
    for _ in range(studies // AT_ONCE):
        found = differences(shape, design, AT_ONCE, rng)
        false += int(shown(p_values(found, signs)).any(axis=1).sum())
        half = stats.t.ppf(0.975, found.shape[2] - 1) * stats.sem(found, axis=2)
        covered += int((np.abs(found.mean(axis=2)) <= half).sum())
        found[:, -1] += EFFECT
        power += int(shown(p_values(found, signs))[:, -1].sum())
    return {
        "study": shape.name,
        "design": name,
        "trials_a_cell": design.trials,
        "false_positives": round(false / studies, 4),
        "expected": round(risk(design, _scatter(shape, design, rng)), 4),
        "assumed": round(risk(design, assumed(design)), 4),
        "coverage": round(covered / studies / (shape.arms - 1), 4),
        "power": round(power / studies, 4),
    }


def main() -> None:
    """Measure every design of every study."""
    # Here, as tests import this file from the root, where nothing of this name is found.
    from simulation import Simulation
    from simulation import options

    simulation = Simulation(
        "search_luck",
        options(__doc__, "few studies a design"),
        studies=5000,
        quick=100,
        each="a design, a multiple of 50,",
    )
    for shape in SHAPES:
        for name, kind, search_seeds, searches, seeds in DESIGNS:
            design = design_of(shape, kind, search_seeds, searches, seeds)
            simulation.add(point(shape, name, design, studies=simulation.studies, seed=simulation.seed))
    simulation.end(ALPHA)


if __name__ == "__main__":
    main()
