"""Verdicts on a study's claims: those with a margin of their own and those of any difference, corrected together."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Literal

from ablative.analysis.numbers.estimates import estimate_of
from ablative.analysis.numbers.power import pairs_to_decide
from ablative.analysis.numbers.statistics import holm
from ablative.analysis.pairing.paired import Paired
from ablative.analysis.pairing.samples import Sampled
from ablative.analysis.pairing.samples import sampled
from ablative.analysis.pairing.verdicts import NO_DIFFERENCE
from ablative.analysis.pairing.verdicts import NONE_LEARNED
from ablative.analysis.pairing.verdicts import NOT_DECIDED
from ablative.analysis.pairing.verdicts import NOT_ENOUGH
from ablative.analysis.pairing.verdicts import Judgement
from ablative.analysis.pairing.verdicts import intervals_of
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.pairing.verdicts import p_values
from ablative.analysis.pairing.verdicts import reaching
from ablative.analysis.plan import StudyPlan
from ablative.search_spaces.margins import Margin
from ablative.search_spaces.spending import pairs_needed

HOLDS, FAILS = "holds", "does not hold"
"""Verdicts on a claim with a margin of its own: its statement was shown, or the opposite of it."""

Kind = Literal["difference", "at least", "equivalent within"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The statement that a claim makes."""

    kind: Kind = "difference"
    margin: Margin | None = None
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
    shifted = [_less(item, good, aim.margin) for item, aim in zip(family, aims, strict=True)]
    judged = judge(shifted, plan, has_merit=True, intervals=True)
    if plan.comparisons.margin is not None:  # the study's margin: claims have their own
        without = judge(shifted, _with(plan, margin=None), has_merit=True, intervals=True)
        judged = [b if aim.margin else a for a, b, aim in zip(judged, without, aims, strict=True)]
    return [
        _at_least(said, item, aim.margin, good, plan) if aim.margin else said
        for said, item, aim in zip(judged, shifted, aims, strict=True)
    ]


def _less(item: Paired, good: float, margin: Margin | None) -> Paired:
    """Return the comparison of what is left of each difference, with the margin taken off on the good side."""
    if margin is None:
        return item
    return replace(
        item,
        differences=tuple(
            value - good * less for value, less in zip(item.differences, item.margins(margin), strict=True)
        ),
        lost=tuple(replace(pair, known=pair.known - good * item.margin_at(pair.block, margin)) for pair in item.lost),
    )


_CLAIMED = {"better": HOLDS, "worse": FAILS, NO_DIFFERENCE: NOT_DECIDED}


def _at_least(said: Judgement, shifted: Paired, margin: Margin, good: float, plan: StudyPlan) -> Judgement:
    """Return the verdict on a claim of at least `margin`, of how its differences less the margin were judged.

    The interval is that of what is left, moved by the margin. Nothing is shown of a share of a mean that is not above
    0, where more than the share would be less than nothing.
    """
    amount = shifted.resolved(margin)
    verdict, worst = (_CLAIMED.get(name, name) for name in (said.verdict, said.if_worst))
    if amount is None and verdict in (HOLDS, FAILS):
        verdict = worst = NOT_DECIDED
    level = plan.comparisons.alpha / said.comparisons
    low, high = said.interval or (0.0, 0.0)
    to_decide = verdict == NOT_DECIDED and amount is not None
    return replace(
        said,
        verdict=verdict,
        if_worst=worst,
        margin=amount,
        margin_share=margin.value if margin.relative else None,
        pairs_to_decide=pairs_to_decide(shifted.counted, (), level) if to_decide else None,
        interval=None if said.interval is None or amount is None else (low + good * amount, high + good * amount),
    )


def _equivalences(family: Sequence[Paired], aims: Sequence[Aim], plan: StudyPlan) -> list[Judgement]:
    """Judge by two one-sided tests; if the mean lies beyond the margin, whether the difference does."""
    margins = [aim.margin for aim in aims]

    def tested(side: Callable[[Paired], float | None]) -> list[Judgement]:
        samples = [sampled(item, margin, side(item)) for item, margin in zip(family, margins, strict=True)]
        return _tested(samples, margins, family, plan)

    found = tested(lambda item: None)
    if any(item.lost for item in family):
        sides = [tested(side) for side in (lambda item: 1.0, lambda item: -1.0, _inwards)]
        found = [_beside(*said) for said in zip(found, *sides, strict=True)]
    return [
        replace(said, verdict=NONE_LEARNED, if_worst=NONE_LEARNED, pairs_to_decide=None) if item.lack else said
        for said, item in zip(found, family, strict=True)
    ]


def _tested(
    samples: Sequence[Sampled], margins: Sequence[Margin | None], family: Sequence[Paired], plan: StudyPlan
) -> list[Judgement]:
    alpha, shares = plan.comparisons.alpha, [plan.spent(*item.arms) for item in family]
    sides = [_Sides.of(sample, plan) for sample in samples]
    single = [side.p_value for side in sides]
    counted = [None if p is None else min(1.0, p / share) for p, share in zip(single, shares, strict=True)]
    none = plan.comparisons.correction == "none"
    adjusted, comparisons = counted if none else holm(counted), 1 if none else len(samples)
    levels = [alpha * share / comparisons for share in shares]
    ends = intervals_of(samples, levels, plan)
    return [
        _judgement(sample, side, item.resolved(margin), margin, p_corrected, comparisons, level, end, alpha)
        for sample, side, item, margin, p_corrected, level, end in zip(
            samples, sides, family, margins, adjusted, levels, ends, strict=True
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """Where the estimate lies, and how sure that is."""

    p_value: float | None
    """Of what it speaks for: that the difference is within the margin, or beyond it."""
    beyond: float
    """0 within the margin, 1 above it, -1 below it."""

    @classmethod
    def of(cls, sample: Sampled, plan: StudyPlan) -> _Sides:
        estimate = plan.comparisons.estimate
        above_low, above_high = sample.beyond(-1.0), sample.beyond(1.0)
        low, high = p_values([above_low, above_high], estimate)
        if low is None or high is None:
            return cls(p_value=None, beyond=0.0)
        rises = [estimate_of(values, estimate) or 0.0 for values in (above_low, above_high)]
        if rises[0] > 0 > rises[1]:  # half of each, as it lies on the side that is tested
            return cls(p_value=max(low, high) / 2, beyond=0.0)
        return cls(p_value=high, beyond=1.0) if rises[1] >= 0 else cls(p_value=low, beyond=-1.0)


def _judgement(
    sample: Sampled,
    side: _Sides,
    amount: float | None,
    margin: Margin | None,
    p_corrected: float | None,
    comparisons: int,
    level: float,
    ends: tuple[float, float] | None,
    alpha: float,
) -> Judgement:
    """`amount`: the margin in units of the metric; None of a share of a mean that is not above 0."""
    needed = pairs_needed(1, min(2 * level, 0.999))  # one-sided
    if p_corrected is not None and p_corrected <= alpha and amount is not None:
        verdict = FAILS if side.beyond else HOLDS
    else:
        verdict = NOT_ENOUGH if p_corrected is None or len(sample.values) < needed else NOT_DECIDED
    return Judgement(
        p_value=side.p_value,
        p_corrected=p_corrected,
        comparisons=comparisons,
        pairs_needed=needed,
        verdict=verdict,
        if_worst=verdict,
        margin=amount,
        margin_share=margin.value if margin is not None and margin.relative else None,
        p_equivalent=p_corrected if not side.beyond else None if p_corrected is None else 1.0,
        pairs_to_decide=_to_decide(sample, side, level) if verdict == NOT_DECIDED and amount is not None else None,
        interval=None if ends is None else _held(ends, verdict, amount, side.beyond, margin),
    )


def _to_decide(sample: Sampled, side: _Sides, level: float) -> int | None:
    """Return the approximate number of pairs that would decide it if mean and scatter stay: the nearer end decides."""
    nearer = 1.0 if math.fsum(sample.differences) > 0 else -1.0
    return pairs_to_decide(sample.beyond(nearer), (), level if side.beyond else min(2 * level, 0.999))


def _held(
    ends: tuple[float, float], verdict: str, amount: float | None, beyond: float, margin: Margin | None
) -> tuple[float, float]:
    """Cut an interval where the verdict shows more than it; widen it to the margin where a share is not decided."""
    low, high = ends
    if amount is None or margin is None:
        return low, high
    if verdict == HOLDS:
        return max(low, -amount), min(high, amount)
    if verdict == FAILS:
        return (max(low, amount), high) if beyond > 0 else (low, min(high, -amount))
    return reaching(ends, amount) if margin.relative else ends


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
