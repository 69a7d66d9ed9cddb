"""Verdicts of claims with a margin of their own, by simulation: `python benchmarks/claims.py [--quick]`.

A study declares claims about arms that share a reference: each that its arm is better by more than the margin
(`at_least`), or that it is equivalent within the margin (`equivalent_within`), or half of them each. The margin is one
standard deviation of a difference. Every true difference first lies exactly at the margin, where every claim is barely
false. Printed are the shares of studies in which any claim holds (`wrong`), or any is refuted (`refuted`), which would
be wrong just beyond the margin. Then claims are true, with differences of two and a half margins, or of zero: `power`
is how often one holds.

Then the margin is a share of the reference arm's mean, which is itself drawn (`share`: 5 or 50 standard deviations of
a trial; the margin is one of a difference all the same). Beside the test, which takes the share off in each pair
(`exact`), stands one that takes the share of the mean that was seen for a number (`plugged in`).

Noise: `normal`; `skewed`, where all arms but the reference are exponential, so that the tests are not exact.
Prints a line a point and, at the end, one JSON object of all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ablative.analysis.pairing.claimed import FAILS
from ablative.analysis.pairing.claimed import HOLDS
from ablative.analysis.pairing.claimed import Aim
from ablative.analysis.pairing.claimed import Kind
from ablative.analysis.pairing.claimed import judge_claims
from ablative.analysis.pairing.paired import Paired
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.search_spaces.margins import Margin
from simulation import Simulation
from simulation import options

MARGIN = 2.0**0.5
"""One standard deviation of a difference of two unit normals."""
SIZES = ((6, 1), (8, 2), (12, 1), (12, 4))
"""Blocks and claims."""
SHARES = ((6, 1), (12, 1))
KINDS: dict[str, tuple[Kind, ...]] = {
    "at_least": ("at least",),
    "equivalent_within": ("equivalent within",),
    "both": ("at least", "equivalent within"),
}


def main() -> None:
    """Measure every kind at every size."""
    simulation = Simulation("claims", options(__doc__, "few studies a point, and few points"), studies=2000, quick=100)
    sizes = SIZES[:2] if simulation.quick else SIZES
    for noise in ("normal", "skewed"):
        for name, kinds in KINDS.items():
            for blocks, claims in sizes:
                if claims >= len(kinds):
                    simulation.add(
                        _point(noise, name, blocks, claims, studies=simulation.studies, seed=simulation.seed)
                    )
    for kind in ("at least", "equivalent within"):
        for blocks, _ in sizes[:1] if simulation.quick else SHARES:
            for level in (5.0, 50.0):
                for point in _share_point(kind, blocks, level, studies=simulation.studies, seed=simulation.seed):
                    simulation.add(point)
    simulation.end()


def _point(noise: str, name: str, blocks: int, claims: int, *, studies: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([seed, blocks, claims, list(KINDS).index(name), noise == "skewed"])
    plan = _plan(blocks)
    aims = [Aim(kind=KINDS[name][at % len(KINDS[name])], margin=Margin(value=MARGIN)) for at in range(claims)]
    true = np.array([2.5 * MARGIN if aim.kind == "at least" else 0.0 for aim in aims])
    wrong = refuted = held = 0
    for _ in range(studies):
        values = rng.normal(size=(claims + 1, blocks))
        if noise == "skewed":
            values[1:] = rng.exponential(size=(claims, blocks)) - 1.0
        found = values[1:] - values[0]
        at_end = {said.verdict for said in judge_claims(_family(found + MARGIN), aims, plan)}
        wrong += HOLDS in at_end
        refuted += FAILS in at_end
        judged = judge_claims(_family(found + true[:, None]), aims, plan)
        held += sum(said.verdict == HOLDS for said in judged)
    return {
        "noise": noise,
        "claims": name,
        "blocks": blocks,
        "count": claims,
        "wrong": round(wrong / studies, 4),
        "refuted": round(refuted / studies, 4),
        "power": round(held / studies / claims, 4),
    }


def _share_point(kind: Kind, blocks: int, level: float, *, studies: int, seed: int) -> list[dict[str, Any]]:
    """Return a point of each test of a margin that is a share of a mean of `level`."""
    rng = np.random.default_rng([seed, blocks, int(level), kind == "at least"])
    plan, share = _plan(blocks), MARGIN / level
    true = 2.5 * MARGIN if kind == "at least" else 0.0
    told = {test: {"wrong": 0, "refuted": 0, "power": 0} for test in ("exact", "plugged in")}
    for _ in range(studies):
        reference, noise = rng.normal(size=(2, blocks))
        reference += level
        for effect, at_margin in ((MARGIN, True), (true, False)):
            item = _family((level + effect + noise - reference)[None], reference)[0]
            for test, counted in told.items():
                relative = Margin(value=share, relative=True)
                seen = Margin(value=share * max(1e-9, item.reference_mean or 0.0))
                aim = Aim(kind=kind, margin=relative if test == "exact" else seen)
                verdict = judge_claims([item], [aim], plan)[0].verdict
                counted["wrong" if at_margin else "power"] += verdict == HOLDS
                counted["refuted"] += at_margin and verdict == FAILS
    return [
        {"share": kind, "test": test, "blocks": blocks, "reference_mean": level}
        | {name: round(count / studies, 4) for name, count in counted.items()}
        for test, counted in told.items()
    ]


def _plan(blocks: int) -> StudyPlan:
    return read_plan(
        {
            "study": "claims",
            "target": {"metric": "val/accuracy"},
            "seeds": {"confirm": list(range(blocks))},
            "comparisons": {"correction": "auto"},
            "cells": [],
        }
    )


def _family(differences: np.ndarray, reference: np.ndarray | None = None) -> list[Paired]:
    blocks = differences.shape[1]
    return [
        Paired(
            metric="test/accuracy",
            family="pooled",
            condition="all conditions",
            arms=(f"arm{number}", "reference"),
            blocks=tuple(("task", seed) for seed in range(blocks)),
            differences=tuple(row.tolist()),
            reference=() if reference is None else tuple(reference.tolist()),
            lost=(),
            planned_pairs=blocks,
            planned=blocks,
            completed=blocks,
            failed=0,
            missing=0,
        )
        for number, row in enumerate(differences)
    ]


if __name__ == "__main__":
    main()
