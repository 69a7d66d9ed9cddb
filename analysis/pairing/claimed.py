"""Verdicts on a study's claims: those with a margin of their own and those of any difference, corrected together."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Literal

import numpy as np

from ablative.analysis.numbers.estimates import estimate_intervals
from ablative.analysis.numbers.estimates import estimate_of
from ablative.analysis.numbers.power import pairs_to_decide
from ablative.analysis.numbers.statistics import holm
from ablative.analysis.pairing.paired import Paired
from ablative.analysis.pairing.verdicts import NO_DIFFERENCE
from ablative.analysis.pairing.verdicts import NONE_LEARNED
from ablative.analysis.pairing.verdicts import NOT_DECIDED
from ablative.analysis.pairing.verdicts import NOT_ENOUGH
from ablative.analysis.pairing.verdicts import SEED
from ablative.analysis.pairing.verdicts import Judgement
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.pairing.verdicts import p_values
from ablative.analysis.plan import StudyPlan
from ablative.search_spaces.spending import pairs_needed

HOLDS, FAILS = "holds", "does not hold"
"""Verdicts on a claim with a margin of its own: its statement was shown, or the opposite of it."""

Kind = Literal["difference", "at least", "equivalent within"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The statement that a claim makes."""

    kind: Kind = "difference"
    margin: float = 0.0
    """The claim's own margin; None if it claims any difference."""


def judge_claims(family: Sequence[Paired], aims: Sequence[Aim], plan: StudyPlan) -> list[Judgement]:
    """Judge the claims of a study, corrected for each other.

    Claims of a difference of at least a margin are tested like others, after subtracting the margin from each
    difference. Equivalence has another test. If a study claims both, alpha is divided by the number of claims of
    either kind (Bonferroni's inequality), so every correction bounds its error over all of them.
    """
    equal = [at for at, aim in enumerate(aims) if aim.kind == "equivalent within"]
    others = [at for at in range(len(family)) if at not in equal]
    found: dict[int, Judgement] = {}
    for places, judged in ((others, _differences), (equal, _equivalences)):
        share = len(places) / len(family) if plan.comparisons.correction != "none" else 1.0
        part = _with(plan, alpha=plan.comparisons.alpha * share)
        some = judged([family[at] for at in places], [aims[at] for at in places], part) if places else []
        found |= {at: _of_all(said, share, len(family)) for at, said in zip(places, some, strict=True)}
    return [found[at] for at in range(len(family))]


def _of_all(said: Judgement, share: float, claims: int) -> Judgement:
    """Return p-values to be compared with the whole of alpha."""
    if share == 1.0:
        return said
    return replace(
        said,
        p_corrected=_scaled(said.p_corrected, share),
        p_equivalent=_scaled(said.p_equivalent, share),
        comparisons=claims,
    )


def _scaled(p_value: float | None, share: float) -> float | None:
    return None if p_value is None else min(1.0, p_value / share)


def _with(plan: StudyPlan, **comparisons: float | None) -> StudyPlan:
    return plan.model_copy(update={"comparisons": plan.comparisons.model_copy(update=comparisons)})


def _differences(family: Sequence[Paired], aims: Sequence[Aim], plan: StudyPlan) -> list[Judgement]:
    good = 1.0 if plan.target.mode == "max" else -1.0
    shifted = [_less(item, good * aim.margin) for item, aim in zip(family, aims, strict=True)]
    judged = judge(shifted, plan, has_merit=True, intervals=True)
    if plan.comparisons.margin is not None:  # the study's margin: claims have their own
        without = judge(shifted, _with(plan, margin=None), has_merit=True, intervals=True)
        judged = [b if aim.margin else a for a, b, aim in zip(judged, without, aims, strict=True)]
    return [
        _at_least(said, item.differences, aim.margin, good, plan) if aim.margin else said
        for said, item, aim in zip(judged, shifted, aims, strict=True)
    ]


def _less(item: Paired, amount: float) -> Paired:
    """Return the comparison of the rest of each difference."""
    if not amount:
        return item
    return replace(
        item,
        differences=tuple(value - amount for value in item.differences),
        lost=tuple(replace(pair, known=pair.known - amount) for pair in item.lost),
    )


_CLAIMED = {"better": HOLDS, "worse": FAILS, NO_DIFFERENCE: NOT_DECIDED}


def _at_least(said: Judgement, shifted: Sequence[float], margin: float, good: float, plan: StudyPlan) -> Judgement:
    """Return the verdict on a claim of at least `margin`, from the judgement of its differences less the margin."""
    verdict = _CLAIMED.get(said.verdict, said.verdict)
    low, high = said.interval or (0.0, 0.0)
    level = plan.comparisons.alpha / said.comparisons
    return replace(
        said,
        verdict=verdict,
        if_worst=_CLAIMED.get(said.if_worst, said.if_worst),
        margin=margin,
        pairs_to_decide=pairs_to_decide(shifted, 0.0, level) if verdict == NOT_DECIDED else None,
        interval=None if said.interval is None else (low + good * margin, high + good * margin),
    )


def _equivalences(family: Sequence[Paired], aims: Sequence[Aim], plan: StudyPlan) -> list[Judgement]:
    """Judge by two one-sided tests; if the mean lies beyond the margin, whether the difference does."""
    margins = [aim.margin for aim in aims]
    found = _tested([item.differences for item in family], margins, family, plan)
    if any(item.lost for item in family):
        sides = [
            _tested([_completed(item, side) for item in family], margins, family, plan)
            for side in (lambda item: 1.0, lambda item: -1.0, _inwards)
        ]
        found = [_beside(*said) for said in zip(found, *sides, strict=True)]
    return [
        replace(said, verdict=NONE_LEARNED, if_worst=NONE_LEARNED, pairs_to_decide=None) if item.lack else said
        for said, item in zip(found, family, strict=True)
    ]


def _tested(
    samples: Sequence[Sequence[float]], margins: Sequence[float], family: Sequence[Paired], plan: StudyPlan
) -> list[Judgement]:
    alpha, shares = plan.comparisons.alpha, [plan.spent(*item.arms) for item in family]
    estimate = plan.comparisons.estimate
    lower, upper = (
        p_values(
            [[value + side * margin for value in sample] for sample, margin in zip(samples, margins, strict=True)],
            estimate,
        )
        for side in (1.0, -1.0)
    )
    centres = [estimate_of(sample, estimate) or 0.0 for sample in samples]
    single = [
        _p_value(centre, margin, below, above)
        for centre, margin, below, above in zip(centres, margins, lower, upper, strict=True)
    ]
    counted = [None if p is None else min(1.0, p / share) for p, share in zip(single, shares, strict=True)]
    none = plan.comparisons.correction == "none"
    adjusted, comparisons = counted if none else holm(counted), 1 if none else len(samples)
    levels = [alpha * share / comparisons for share in shares]
    ends = estimate_intervals(samples, levels, estimate, lambda: np.random.default_rng(SEED))
    return [
        _judgement(sample, centre, margin, p_value, p_corrected, comparisons, level, end, alpha)
        for sample, centre, margin, p_value, p_corrected, level, end in zip(
            samples, centres, margins, single, adjusted, levels, ends, strict=True
        )
    ]


def _p_value(centre: float, margin: float, below: float | None, above: float | None) -> float | None:
    """Return the p-value of the side that the estimate supports: the difference is within the margin, or beyond it.

    `below`, `above`: two-sided, for the differences from the lower and from the upper end of the margin.
    """
    if below is None or above is None:
        return None
    if abs(centre) < margin:  # half of each, because the estimate lies on the tested side
        return max(below, above) / 2
    return above if centre > 0 else below


def _judgement(
    sample: Sequence[float],
    centre: float,
    margin: float,
    p_value: float | None,
    p_corrected: float | None,
    comparisons: int,
    level: float,
    ends: tuple[float, float] | None,
    alpha: float,
) -> Judgement:
    needed = pairs_needed(1, min(2 * level, 0.999))  # one-sided
    inside = abs(centre) < margin
    if p_corrected is not None and p_corrected <= alpha:
        verdict = HOLDS if inside else FAILS
    else:
        verdict = NOT_ENOUGH if p_corrected is None or len(sample) < needed else NOT_DECIDED
    return Judgement(
        p_value=p_value,
        p_corrected=p_corrected,
        comparisons=comparisons,
        pairs_needed=needed,
        verdict=verdict,
        if_worst=verdict,
        margin=margin,
        p_equivalent=p_corrected if inside else None if p_corrected is None else 1.0,
        pairs_to_decide=_to_decide(sample, margin, level) if verdict == NOT_DECIDED else None,
        interval=None if ends is None else _held(ends, verdict, margin, centre),
    )


def _to_decide(sample: Sequence[float], margin: float, level: float) -> int | None:
    """Return the approximate number of pairs that would decide it if mean and scatter stay: the nearer end decides."""
    mean = math.fsum(sample) / len(sample)
    away = [value - math.copysign(margin, mean) for value in sample]
    return pairs_to_decide(away, 0.0, min(2 * level, 0.999) if abs(mean) < margin else level)


def _held(ends: tuple[float, float], verdict: str, margin: float, centre: float) -> tuple[float, float]:
    """Cut an interval if the verdict shows more than it."""
    low, high = ends
    if verdict == HOLDS:
        return max(low, -margin), min(high, margin)
    if verdict == FAILS:
        return (max(low, margin), high) if centre > 0 else (low, min(high, -margin))
    return low, high


def _completed(item: Paired, side: Callable[[Paired], float]) -> list[float]:
    """The differences, and each lost pair as far as it may have been in one direction."""
    return [*item.differences, *(pair.known + side(item) * pair.most for pair in item.lost)]


def _inwards(item: Paired) -> float:
    return -1.0 if math.fsum(item.differences) > 0 else 1.0


def _beside(found: Judgement, *others: Judgement) -> Judgement:
    """Add to a verdict what it would be at worst, if the lost pairs lay in either direction, or towards zero."""
    if found.verdict in (HOLDS, FAILS):
        worst = next((said.verdict for said in others if said.verdict != found.verdict), found.verdict)
        return replace(found, if_worst=worst)
    if found.verdict == NOT_DECIDED:
        hidden = next((said.verdict for said in others if said.verdict in (HOLDS, FAILS)), found.verdict)
        return replace(found, if_worst=hidden)
    return found
