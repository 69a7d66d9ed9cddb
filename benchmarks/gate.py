"""How many proposals without effect pass `ablate gate`, by simulation: `python benchmarks/gate.py [--quick]`.

A ledger judges 200 proposals in turn, by the shipped function and at the shipped shares of alpha 0.05. (Without a
margin, p-values are computed for all of them together, and the function is asked where one reaches its share.) A
proposal is a value for each seed, as is the accepted baseline: level of the seed, which both share, plus its own luck.
A proposal that passes as better is accepted, and is the baseline of later ones. The same proposals are also accepted
by rules that people use: a p-value below 0.05 each, a higher mean, and one seed. Noise is normal, with heavy tails, or
skewed: two skewed arms still have symmetric differences, as long as nothing is accepted for its luck.

Power: how often a proposal that adds one or more standard deviations of a difference passes, at the first share of
the ledger and at the last one. Prints a line a point and, at the end, one JSON object of all.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np

from ablative.analysis.errors import AnalysisError
from ablative.analysis.numbers.statistics import binomial_interval
from ablative.analysis.numbers.statistics import exact_p_values
from ablative.analysis.pairing.paired import ALL_CONDITIONS
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.plan import CellPlan
from ablative.analysis.plan import Seeds
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import Target
from ablative.analysis.views.gating import gated
from ablative.orchestrator.storing.ledger import Budget
from ablative.search_spaces.margins import Margin

PROPOSALS = 200
PAIRS = 16
BUDGET = Budget(alpha=0.05, proposals=PROPOSALS)
NOISES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(2, size=shape),
    "skewed": lambda rng, shape: rng.exponential(size=shape) - 1.0,
}
MARGINS = {"none": None, "one sd of a difference": Margin(value=float(np.sqrt(2)))}
EFFECTS = (1.0, 1.5, 2.0)
"""In standard deviations of a difference."""
RULES = ("gate", "p below 0.05 each", "higher mean", "one seed")
VERDICTS = ("better", "equal", "worse", "not decided")


def plan_of(pairs: int) -> StudyPlan:
    """Return a study of two arms without conditions."""
    cells = tuple(CellPlan(name=arm, cell_id=arm, arm=arm, is_reference=arm == "old") for arm in ("old", "new"))
    return StudyPlan(
        study="gated", target=Target(metric="val/score"), seeds=Seeds(confirm=tuple(range(pairs))), cells=cells
    )


def difference(values: np.ndarray) -> ArmDifference:
    """Return paired differences as the pairing of a study gives them."""
    pairs = len(values)
    return ArmDifference(
        metric="test/score",
        family="pooled",
        condition=ALL_CONDITIONS,
        arms=("new", "old"),
        blocks=tuple(("task", seed) for seed in range(pairs)),
        differences=tuple(values.tolist()),
        lost=(),
        planned_pairs=pairs,
        planned=pairs,
        completed=pairs,
        failed=0,
        missing=0,
        values=tuple(values.tolist()),
        reference=(0.0,) * pairs,
        strata=1,
        majority=None,
        own_lack="",
    )


def accepted(values: np.ndarray, shares: Sequence[float]) -> dict[str, int]:
    """Return how many of the proposals in `values` (the first row is the baseline) get which verdict, in turn."""
    plan, found, baseline, place = plan_of(PAIRS), dict.fromkeys(VERDICTS, 0), values[0], 1
    while place < len(values):
        p_values = exact_p_values(values[place:] - baseline)
        reached = np.flatnonzero(p_values <= np.array(shares[place - 1 :]))
        if not reached.size:
            break
        place += int(reached[0])
        verdict = gated(difference(values[place] - baseline), plan, shares[place - 1], None).verdict
        found[verdict] += 1
        baseline = values[place] if verdict == "better" else baseline
        place += 1
    return found


def accepted_within(values: np.ndarray, shares: Sequence[float], margin: Margin) -> dict[str, int]:
    """Return the same with a margin."""
    plan, found, baseline = plan_of(PAIRS), dict.fromkeys(VERDICTS, 0), values[0]
    for proposal, share in zip(values[1:], shares, strict=True):
        verdict = gated(difference(proposal - baseline), plan, share, margin).verdict
        found[verdict] += 1
        baseline = proposal if verdict == "better" else baseline
    return found


def climbed(scores: Iterable[float]) -> int:
    """Return how often a score is accepted because it is higher than the last one that was."""
    best, *others = scores
    count = 0
    for score in others:
        if score > best:
            best, count = score, count + 1
    return count


def one_ledger(noise: str, margin: Margin | None, rng: np.random.Generator) -> dict[str, int]:
    """Return the gate's verdicts on proposals of which none changes anything, and how many each rule accepts."""
    values = NOISES[noise](rng, (PROPOSALS + 1, PAIRS))
    shares = BUDGET.shares
    said = accepted(values, shares) if margin is None else accepted_within(values, shares, margin)
    return {
        **said,
        "gate": said["better"],
        "p below 0.05 each": accepted(values, [0.05] * PROPOSALS)["better"],
        "higher mean": climbed(values.mean(axis=1).tolist()),
        "one seed": climbed(values[:, 0].tolist()),
    }


def nulls(noise: str, margin: str, ledgers: int, seed: int) -> dict[str, object]:
    """Return the share of ledgers in which each rule accepts anything, and how many proposals of 200 on average."""
    rng = np.random.default_rng([seed, list(NOISES).index(noise), list(MARGINS).index(margin)])
    found = [one_ledger(noise, MARGINS[margin], rng) for _ in range(ledgers)]
    any_passed = sum(ledger["gate"] > 0 for ledger in found)
    any_wrong = sum(ledger["gate"] + ledger["worse"] > 0 for ledger in found)
    return {
        "noise": noise,
        "margin": margin,
        "ledgers": ledgers,
        "any_passed": round(any_passed / ledgers, 4),
        "any_passed_interval": [round(end, 4) for end in binomial_interval(any_passed, ledgers)],
        "any_wrong": round(any_wrong / ledgers, 4),
        "accepted_of_200": {rule: round(sum(one[rule] for one in found) / ledgers, 4) for rule in RULES},
        "equal_of_200": round(sum(one["equal"] for one in found) / ledgers, 2),
    }


def power(effect: float, pairs: int, studies: int, seed: int) -> dict[str, object]:
    """Return how often a proposal of this effect passes, at the first and at the last share of the ledger."""
    rng = np.random.default_rng([seed, int(10 * effect), pairs])
    plan, shares = plan_of(pairs), BUDGET.shares
    passed = {"first": 0, "last": 0}
    for values in rng.normal(effect, 1.0, size=(studies, pairs)):
        for name, share in (("first", shares[0]), ("last", shares[-1])):
            try:
                passed[name] += gated(difference(values), plan, share, None).verdict == "better"
            except AnalysisError:  # too few pairs at this share: nothing is judged
                pass
    return {"effect": effect, "pairs": pairs, **{name: round(count / studies, 3) for name, count in passed.items()}}


def main() -> None:
    """Measure every noise and margin, and the power."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few ledgers a point")
    parser.add_argument("--ledgers", type=int, default=1000, help="ledgers a point [1000]")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ledgers = 10 if options.quick else options.ledgers
    began, points, powers = time.perf_counter(), [], []
    for noise in NOISES:
        points.append(nulls(noise, "none", ledgers, options.seed))
        print(json.dumps(points[-1]), flush=True)
    points.append(nulls("normal", "one sd of a difference", max(1, ledgers // 10), options.seed))
    print(json.dumps(points[-1]), flush=True)
    for effect in EFFECTS:
        for pairs in (14, 16, 20):
            powers.append(power(effect, pairs, 2 * ledgers, options.seed))
            print(json.dumps(powers[-1]), flush=True)
    seconds = round(time.perf_counter() - began, 1)
    print(json.dumps({"proposals": PROPOSALS, "alpha": 0.05, "nulls": points, "power": powers, "seconds": seconds}))


if __name__ == "__main__":
    main()
