"""False positives and power of the corrections, by simulation: `python benchmarks/error_rates.py [--quick]`.

A study is a table of values, arms by blocks, of which one arm is the reference; all arms share a level in each block.
Without effects, a study has a false positive if any comparison is significant at alpha 0.05. For power, one arm has a
true effect of one standard deviation of a difference; power is how often that effect is significant. Both corrections
judge the same studies.

- `unequal`: one arm scatters three times as much. `uneven`: the blocks of one task scatter four times as much.
- `discrete`: values rounded to half a standard deviation; `coarse`: right answers out of 20.
- `heavy tails`: Student's t, 2 degrees of freedom. `collapses`: one trial in twenty falls by ten standard deviations.
- `skewed`: all arms but the reference are exponential; `lognormal`: the same, skewed more. Their differences are not
  symmetric, so there the tests are not exact.

Then the same with a look half way (`seeds.sequential`, spending of Pocock's type): what is shown there ends. And, by
the code of the product, all pairs of arms in such a study, which end with arms that the primary comparisons ended
(`contrasts`): with no effect, and with one arm that is four standard deviations of a difference ahead, which mostly
ends at the look. A false positive is a significant pair in which neither arm is ahead. For power, one arm is one
standard deviation ahead; power is how often it differs significantly from the others except the first.

With more than `MOST_PATTERNS` sign patterns, 2,000 fresh ones are drawn for each batch of studies.
Prints a line a point and, at the end, one JSON object of all.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from itertools import combinations
from itertools import product

import numpy as np

from ablative.analysis.numbers.max_t import adjusted_p_values
from ablative.analysis.numbers.max_t import drawn_patterns
from ablative.analysis.numbers.max_t import every_pattern
from ablative.analysis.numbers.max_t import max_t
from ablative.analysis.pairing.paired import Paired
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.plan import read_plan
from ablative.search_spaces.spending import spent_at
from ablative.search_spaces.ties import RELATIVE_TIE

ALPHA = 0.05
MOST_PATTERNS = 4096
DRAWS = 2000
_AT_ONCE = 6_000_000  # studies times comparisons times patterns in memory
Noise = Callable[[np.random.Generator, tuple[int, int, int]], np.ndarray]
"""(Generator, (studies, arms, blocks)) -> values of that shape; arm 0 is the reference."""


def _unequal(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    values = rng.normal(size=shape)
    values[:, 1] *= 3
    return values


def _uneven(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    values = rng.normal(size=shape)
    values[..., ::2] *= 4
    return values


def _collapses(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    return rng.normal(size=shape) - 10.0 * (rng.random(shape) < 0.05)


def _against_normal(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    values[:, 0] = rng.normal(size=values[:, 0].shape)
    return values


NOISES: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(2, size=shape),
    "discrete": lambda rng, shape: np.round(2 * rng.normal(size=shape)) / 2,
    "coarse": lambda rng, shape: rng.binomial(20, 0.7, size=shape) / 20,
    "unequal": _unequal,
    "uneven": _uneven,
    "collapses": _collapses,
    "skewed": lambda rng, shape: _against_normal(rng.exponential(size=shape) - 1.0, rng),
    "lognormal": lambda rng, shape: _against_normal((rng.lognormal(size=shape) - np.e**0.5) / 2.16, rng),
}
TOO_FEW = ((6, 3), (6, 6), (6, 12), (7, 6), (8, 12), (9, 20), (10, 40))
"""Blocks, comparisons: where Holm's procedure can show nothing."""
SIZES = (*TOO_FEW, (6, 1), (8, 6), (12, 3), (12, 12), (12, 60), (20, 1), (20, 6), (20, 60))
LOOKED_AT = ((12, 1), (12, 3), (14, 6))
"""The same, with a look half way."""
CONTRASTED = ((14, 3), (16, 4))
"""Blocks, arms besides the reference: all their pairs, with a look half way."""
MISSING = 0.1
"""Share of the trials that have no value, where some are missing."""


def by_holm(values: np.ndarray, signs: np.ndarray, *, exact: bool) -> np.ndarray:
    """Return Holm's adjusted p-values of the sign-flip tests, shape (studies, comparisons)."""
    sums, size = np.abs(values @ signs), values.shape[1]
    reached = np.abs(values.sum(axis=-1)) - RELATIVE_TIE * np.abs(values).sum(axis=-1)
    hits = np.count_nonzero(sums >= reached[..., None], axis=-1)
    p_values = hits / signs.shape[1] if exact else (1 + hits) / (1 + signs.shape[1])
    order = np.argsort(p_values, axis=-1, kind="stable")
    steps = np.minimum(1.0, np.take_along_axis(p_values, order, axis=-1) * np.arange(size, 0, -1))
    found = np.empty(p_values.shape)
    np.put_along_axis(found, order, np.maximum.accumulate(steps, axis=-1), axis=-1)
    return found


def judged(values: np.ndarray, missing: np.ndarray, signs: np.ndarray, *, exact: bool) -> dict[str, np.ndarray]:
    """Return correction -> adjusted p-values of each arm against the first, shape (studies, comparisons).

    `values` and `missing`: shape (studies, arms, blocks).
    """
    gone = missing[:, 1:] | missing[:, :1]
    differences = np.where(gone, 0.0, values[:, 1:] - values[:, :1])
    sizes = np.count_nonzero(~gone, axis=-1).astype(np.float64)
    return {
        "holm": by_holm(differences, signs, exact=exact),
        "max_t": adjusted_p_values(differences, sizes, [signs], exact=exact),
    }


def batches(studies: int, comparisons: int, patterns: int) -> Iterator[int]:
    """Yield how many studies are judged together, so that they fit into memory and few share drawn patterns."""
    most = max(1, min(_AT_ONCE // (comparisons * patterns), 100))
    while studies > 0:
        yield min(most, studies)
        studies -= most


def point(
    noise: str, blocks: int, comparisons: int, *, studies: int, share_missing: float, seed: int
) -> dict[str, object]:
    """Return false positives and power of both corrections over so many studies."""
    rng = np.random.default_rng([seed, blocks, comparisons, list(NOISES).index(noise), int(100 * share_missing)])
    false, power = {"holm": 0, "max_t": 0}, {"holm": 0, "max_t": 0}
    scale = np.std(np.diff(NOISES[noise](np.random.default_rng(0), (1, 2, 100_000)), axis=1))
    exact = 2 ** (blocks - 1) <= MOST_PATTERNS
    patterns = 2 ** (blocks - 1) if exact else DRAWS
    for count in batches(studies, comparisons, patterns):
        drawn = every_pattern(blocks, patterns) if exact else drawn_patterns(blocks, DRAWS, DRAWS, rng)
        signs = next(drawn)
        values = NOISES[noise](rng, (count, comparisons + 1, blocks))
        missing = rng.random(values.shape) < share_missing
        for name, p_values in judged(values, missing, signs, exact=exact).items():
            false[name] += int(np.count_nonzero((p_values <= ALPHA).any(axis=-1)))
        values[:, -1] += scale
        for name, p_values in judged(values, missing, signs, exact=exact).items():
            power[name] += int(np.count_nonzero(p_values[:, -1] <= ALPHA))
    return {
        "noise": noise,
        "blocks": blocks,
        "comparisons": comparisons,
        "missing": share_missing,
        "false_positives": {name: round(count / studies, 4) for name, count in false.items()},
        "power": {name: round(count / studies, 4) for name, count in power.items()},
    }


def looks_point(noise: str, blocks: int, comparisons: int, *, studies: int, seed: int) -> dict[str, object]:
    """Return false positives and power with a look half way: Holm's procedure as `point` has it, max-T in stages.

    In a stage count the comparisons that were not shown before.
    """
    rng = np.random.default_rng([seed, blocks, comparisons, list(NOISES).index(noise), 1])
    scale = np.std(np.diff(NOISES[noise](np.random.default_rng(0), (1, 2, 100_000)), axis=1))
    halves = (blocks // 2, blocks)
    parts = spent_at(halves, "pocock", ALPHA)
    false, power = {"holm": 0, "max_t": 0}, {"holm": 0, "max_t": 0}
    for count in batches(studies, comparisons, 2 ** (blocks - 1)):
        values = NOISES[noise](rng, (count, comparisons + 1, blocks))
        for effect, told in ((0.0, false), (scale, power)):
            differences = values[:, 1:] - values[:, :1]
            differences[:, -1] += effect
            shown = {name: np.zeros(differences.shape[:2], bool) for name in told}
            for upto, part in zip(halves, parts, strict=True):
                seen, signs = differences[..., :upto], next(every_pattern(upto, 2 ** (upto - 1)))
                shown["holm"] |= by_holm(seen, signs, exact=True) <= part
                going = np.where(shown["max_t"][..., None], 0.0, seen)
                sizes = np.full(going.shape[:2], float(upto))
                shown["max_t"] |= adjusted_p_values(going, sizes, [signs], exact=True) <= part
            for name in told:
                told[name] += int(np.count_nonzero(shown[name][:, -1] if effect else shown[name].any(axis=-1)))
    return {
        "noise": noise,
        "blocks": blocks,
        "comparisons": comparisons,
        "looks": halves,
        "false_positives": {name: round(count / studies, 4) for name, count in false.items()},
        "power": {name: round(count / studies, 4) for name, count in power.items()},
    }


def contrasts_point(noise: str, blocks: int, arms: int, ahead: float, *, studies: int, seed: int) -> dict[str, object]:
    """Return false positives and power over all pairs of arms, where the first one is ahead by so much."""
    rng = np.random.default_rng([seed, blocks, arms, list(NOISES).index(noise), int(ahead), 2])
    scale = np.std(np.diff(NOISES[noise](np.random.default_rng(0), (1, 2, 100_000)), axis=1))
    names = ["reference", *(f"arm{number}" for number in range(1, arms + 1))]
    false, power, ended = {"holm": 0, "max_t": 0}, {"holm": 0, "max_t": 0}, 0
    for _ in range(studies):
        values = NOISES[noise](rng, (1, arms + 1, blocks))[0]
        values[1] += ahead * scale
        for effect, told in ((0.0, false), (scale, power)):
            values[-1] += effect
            found = {correction: _shown_pairs(names, values, correction) for correction in told}
            ended += effect == 0 and found["holm"][1]
            for correction, (pairs, _) in found.items():
                alike = [pair for pair in pairs if names[1] not in pair or not ahead]
                told[correction] += any(names[-1] in pair for pair in alike) if effect else bool(alike)
    return {
        "noise": noise,
        "blocks": blocks,
        "arms": arms,
        "ahead": ahead,
        "contrasts": arms * (arms + 1) // 2,
        "some_ended": round(float(ended) / studies, 4),
        "false_positives": {name: round(count / studies, 4) for name, count in false.items()},
        "power": {name: round(count / studies, 4) for name, count in power.items()},
    }


def _shown_pairs(names: Sequence[str], values: np.ndarray, correction: str) -> tuple[list[tuple[str, str]], bool]:
    """Return the pairs of arms that are shown to differ, and whether any arm ended at the look half way."""
    blocks = values.shape[1]
    half, part = blocks // 2, spent_at((blocks // 2, blocks), "pocock", ALPHA)[0]
    early = max_t([dict(enumerate(row[:half] - values[0, :half])) for row in values[1:]], rng=np.random.default_rng(0))
    clear = [p is not None and p <= part for p in early]
    lengths = [blocks if not all(clear) else half, *(half if ended else blocks for ended in clear)]
    plan = read_plan(
        {
            "study": "looks",
            "target": {"metric": "val/accuracy"},
            "seeds": {"confirm": list(range(blocks)), "sequential": {"looks": [half]}},
            "comparisons": {"correction": correction},
            "cells": [
                {"name": name, "cell_id": name, "arm": name, "is_reference": name == names[0], "confirm_total": length}
                for name, length in zip(names, lengths, strict=True)
            ],
        }
    )
    family = []
    for one, other in combinations(range(len(names)), 2):
        upto = min(lengths[one], lengths[other])
        family.append(
            Paired(
                metric="val/accuracy",
                family="pooled",
                condition="all conditions",
                arms=(names[one], names[other]),
                blocks=tuple(("task", seed) for seed in range(upto)),
                differences=tuple((values[one, :upto] - values[other, :upto]).tolist()),
                lost=(),
                planned_pairs=blocks,
                planned=blocks,
                completed=upto,
                failed=0,
                missing=0,
            )
        )
    said = judge(family, plan, has_merit=False)
    pairs = [item.arms for item, one in zip(family, said, strict=True) if one.verdict in SHOWN]
    return [(first, second) for first, second in pairs], any(clear)


def main() -> None:
    """Measure every noise at every size."""
    # Here, as tests import this file from the root, where nothing of this name is found.
    from simulation import Simulation
    from simulation import options

    parser = options(__doc__, "few studies a point, and few points")
    parser.add_argument("--contrasts", action="store_true", help="only all pairs of arms under looks")
    simulation = Simulation("error_rates", parser, studies=5000, quick=300)
    sizes = SIZES[:10] if simulation.quick else SIZES
    for noise in NOISES:
        for blocks, comparisons in () if simulation.options.contrasts else sizes:
            for share_missing in (0.0, MISSING) if (blocks, comparisons) in ((8, 6), (12, 3)) else (0.0,):
                found = point(
                    noise,
                    blocks,
                    comparisons,
                    studies=simulation.studies,
                    share_missing=share_missing,
                    seed=simulation.seed,
                )
                simulation.add(found)
        for blocks, comparisons in () if simulation.options.contrasts else LOOKED_AT:
            simulation.add(looks_point(noise, blocks, comparisons, studies=simulation.studies, seed=simulation.seed))
        for (blocks, arms), ahead in product(CONTRASTED, (0.0, 4.0)):
            simulation.add(
                contrasts_point(noise, blocks, arms, ahead, studies=simulation.studies, seed=simulation.seed)
            )
    simulation.end(ALPHA)


if __name__ == "__main__":
    main()
