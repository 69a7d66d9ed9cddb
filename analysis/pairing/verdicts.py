"""Verdicts on paired differences: p-values corrected as the study declares, the verdicts, and their basis."""

from __future__ import annotations

import math
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import numpy as np

from ablative.analysis.numbers.estimates import EFFICIENCY
from ablative.analysis.numbers.estimates import estimate_intervals
from ablative.analysis.numbers.estimates import flipped
from ablative.analysis.numbers.max_t import local_levels
from ablative.analysis.numbers.max_t import max_t
from ablative.analysis.numbers.power import pairs_to_decide
from ablative.analysis.numbers.statistics import corrected
from ablative.analysis.numbers.statistics import factors_to_pass
from ablative.analysis.numbers.statistics import holm
from ablative.analysis.numbers.statistics import sign_flip_p_values
from ablative.analysis.pairing.paired import Paired
from ablative.analysis.pairing.samples import Sample
from ablative.analysis.pairing.samples import Sampled
from ablative.analysis.pairing.samples import against
from ablative.analysis.pairing.samples import furthest
from ablative.analysis.pairing.samples import sampled
from ablative.analysis.pairing.samples import total
from ablative.analysis.plan import StudyPlan
from ablative.search_spaces.margins import Margin
from ablative.search_spaces.spending import Estimate
from ablative.search_spaces.spending import Method
from ablative.search_spaces.spending import hardest_factor
from ablative.search_spaces.spending import pairs_needed

SEED = 20260
"""Seed for all random draws of a view; fixed, so a table is a function of records."""

REFERENCE = "reference"
NOT_ENOUGH = "not enough seeds"
NO_DIFFERENCE = "no difference shown"
EQUIVALENT = "equivalent"
NONE_LEARNED = "none has learned"
"""Replaces a verdict if none of the arms is better than the majority class, or each predicts one class."""
NOT_DECIDED = "not decided"
"""For a study with a margin: neither a difference nor equivalence within the margin is shown."""
SHOWN = ("better", "worse", "higher", "lower")
"""Verdicts that show a difference."""
OPPOSITE = {"better": "worse", "worse": "better", "higher": "lower", "lower": "higher"}
"""The verdict with the two arms swapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The judgement of one comparison among the others of its family."""

    p_value: float | None
    p_corrected: float | None
    comparisons: int
    """Corrected for."""
    pairs_needed: int
    """Least pairs with which it could reach significance, given the others' p-values."""
    verdict: str
    if_worst: str
    """The verdict if the lost pairs had gone against it: against a difference shown, or towards one otherwise."""
    margin: float | None = None
    """Of the study, where it is about this metric, in its units; None of a share of a mean that is not above 0."""
    margin_share: float | None = None
    """The margin as a share of the mean of what is compared with; None where it is a number of its own."""
    p_equivalent: float | None = None
    """Corrected p-value of equivalence within the margin; None without one."""
    pairs_to_decide: int | None = None
    """Approximate number of pairs that would decide it; None if it is decided, and without a margin."""
    interval: tuple[float, float] | None = None
    """Differences that the test does not reject at its corrected level, limited by the verdict.

    None if so few pairs could reject none, or if no interval was asked for.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """How to judge the comparisons of a family."""

    plan: StudyPlan
    merit: bool
    """Whether more, or less, is better."""
    correction: Method
    margin: Margin | None
    planned: tuple[int, ...]
    """Pairs that each comparison is to have with all seeds."""
    looks: tuple[int, ...]
    """For each comparison, the number of the look at which it ended."""
    shares: tuple[float, ...]
    """For each comparison, the share of alpha that this look may spend."""


def judge(family: Sequence[Paired], plan: StudyPlan, *, has_merit: bool, intervals: bool = False) -> list[Judgement]:
    """Judge comparisons that are corrected for each other.

    `has_merit`: whether more, or less, is better, so that a difference is not only higher or lower. `intervals`:
    whether those of the verdicts are wanted, which take longer than the verdicts.
    """
    rules = _Rules(
        plan=plan,
        merit=has_merit,
        correction=plan.correction_of(len(family), min((item.planned_pairs for item in family), default=0)),
        margin=plan.comparisons.matters if has_merit else None,
        planned=tuple(item.planned_pairs for item in family),
        looks=tuple(plan.look_of(*item.arms) for item in family),
        shares=tuple(plan.spent(*item.arms) for item in family),
    )
    judged = _with_losses(family, rules)
    if intervals:
        judged = _with_intervals(judged, family, rules)
    return [_of_learners(one, item) for one, item in zip(judged, family, strict=True)]


def _of_learners(found: Judgement, item: Paired) -> Judgement:
    """Withdraw the verdict if none of the arms has learned anything: a difference of noise is not a finding."""
    if not item.lack:
        return found
    return replace(found, verdict=NONE_LEARNED, if_worst=NONE_LEARNED, pairs_to_decide=None)


def _with_intervals(judged: Sequence[Judgement], family: Sequence[Paired], rules: _Rules) -> list[Judgement]:
    """Invert the test of each comparison at the level of the correction's first step, and hold it to the verdict."""
    alphas = [rules.plan.comparisons.alpha * share for share in rules.shares]
    samples = [sampled(item) for item in family]
    if rules.correction == "max_t":
        levels = _levels_by_max_t([sample.values for sample in samples], rules)
    elif rules.correction == "benjamini_hochberg":
        p_values = [said.p_value for said in judged]
        factors = factors_to_pass(p_values, rules.correction, rules.plan.comparisons.alpha)
        levels = [alpha / factor for alpha, factor in zip(alphas, factors, strict=True)]
    else:
        levels = [alpha / hardest_factor(len(samples), rules.correction) for alpha in alphas]
    found = intervals_of(samples, levels, rules.plan)
    return [
        replace(said, interval=None if ends is None else _held(ends, said, total(sample, item)))
        for said, ends, sample, item in zip(judged, found, samples, family, strict=True)
    ]


def intervals_of(
    samples: Sequence[Sampled], levels: Sequence[float], plan: StudyPlan
) -> list[tuple[float, float] | None]:
    """Return for each comparison the differences that the study's test does not reject at its level."""
    weights = [sample.counts for sample in samples] if plan.comparisons.weights else None
    differences = [sample.differences for sample in samples]
    return estimate_intervals(
        differences, levels, plan.comparisons.estimate, lambda: np.random.default_rng(SEED), weights
    )


def _held(ends: tuple[float, float], said: Judgement, rise: float) -> tuple[float, float]:
    """Cut an interval where the step-down or the equivalence test shows more; widen it to what is not shown.

    That is 0 where no difference is shown; and an end of the margin where a share of a mean, which is as uncertain as
    the difference, leaves it undecided.
    """
    low, high = ends
    if said.verdict in SHOWN:
        return (max(low, 0.0), high) if rise > 0 else (low, min(high, 0.0))
    low, high = min(low, 0.0), max(high, 0.0)
    if said.margin is None:
        return low, high
    if said.verdict == EQUIVALENT:
        return max(low, -said.margin), min(high, said.margin)
    return (low, high) if said.margin_share is None else reaching((low, high), said.margin)


def reaching(ends: tuple[float, float], margin: float) -> tuple[float, float]:
    """Return an interval that lies within the margin, widened to the nearer end of it; any other as it is."""
    low, high = ends
    if low <= -margin or high >= margin:
        return ends
    return (low, margin) if high > -low else (-margin, high)


def _with_losses(family: Sequence[Paired], rules: _Rules) -> list[Judgement]:
    found = _judged([sampled(item, rules.margin) for item in family], family, rules)
    if not any(item.lost for item in family):
        return found
    undone = _judged([against(item, rules.margin) for item in family], family, rules)
    # What is shown is observed; only what is not shown may be a difference that the lost pairs hide.
    hidden = [
        sampled(item, rules.margin) if one.verdict in SHOWN else furthest(item, rules.margin)
        for item, one in zip(family, found, strict=True)
    ]
    revealed = _judged(hidden, family, rules)
    return [_beside(*judged) for judged in zip(found, undone, revealed, strict=True)]


def _beside(found: Judgement, undone: Judgement, revealed: Judgement) -> Judgement:
    """Add to a verdict what it would be at worst. A verdict of too few seeds states nothing that could be wrong."""
    if found.verdict in SHOWN:
        return replace(found, if_worst=undone.verdict)
    if found.verdict in (NO_DIFFERENCE, NOT_DECIDED) and revealed.verdict in SHOWN:
        return replace(found, if_worst=revealed.verdict)
    if found.verdict == EQUIVALENT:
        return replace(found, if_worst=revealed.verdict)
    return found


def holds(row: Mapping[str, Any]) -> bool:
    """Return whether the verdict of a view's row would be the same if its lost pairs had gone against it."""
    return bool(row["verdict_if_worst"] == row["verdict"])


def has_merit(metric: str, plan: StudyPlan) -> bool:
    """Return whether the study declares the good direction of `metric`: the target's, and variants of it."""
    name = metric.partition("/")[2]
    return name == plan.target.name or name.startswith(f"{plan.target.name}_")


def p_values(samples: Sequence[Sequence[float]], estimate: Estimate = "mean") -> list[float | None]:
    """Return the uncorrected p-value of each sample of paired differences, by the estimate's test."""
    return sign_flip_p_values([flipped(sample, estimate) for sample in samples], lambda: np.random.default_rng(SEED))


def _judged(samples: Sequence[Sampled], family: Sequence[Paired], rules: _Rules) -> list[Judgement]:
    plan, correction, shares = rules.plan, rules.correction, rules.shares
    alpha, estimate, margin = plan.comparisons.alpha, plan.comparisons.estimate, rules.margin
    found = p_values([sample.differences for sample in samples], estimate)
    # A comparison that may end at several looks pays for them (`analysis.views.sequential`).
    counted = [None if p is None else min(1.0, p / share) for p, share in zip(found, shares, strict=True)]
    values = [sample.values for sample in samples]
    adjusted = _by_max_t(values, rules) if correction == "max_t" else corrected(counted, correction)
    factors = factors_to_pass(counted, correction, alpha)
    within = [None] * len(samples) if margin is None else _within(samples, rules)
    comparisons = 1 if correction == "none" else len(samples)
    judged = []
    for item, sample, share, p_value, p_corrected, factor, p_within in zip(
        family, samples, shares, found, adjusted, factors, within, strict=True
    ):
        needed = pairs_needed(factor, alpha * share)
        verdict = _verdict(sample.differences, p_corrected, needed, rules)
        to_decide = None
        if margin is not None and verdict not in SHOWN:
            verdict = EQUIVALENT if p_within is not None and p_within <= alpha else NOT_DECIDED
            if verdict == NOT_DECIDED:
                level = alpha * share / comparisons
                inside = (sample.beyond(-1.0), tuple(-value for value in sample.beyond(1.0)))
                to_decide = pairs_to_decide(sample.differences, inside, level, EFFICIENCY[estimate])
        judged.append(
            Judgement(
                p_value=p_value,
                p_corrected=p_corrected,
                comparisons=comparisons,
                pairs_needed=needed,
                verdict=verdict,
                if_worst=verdict,
                margin=item.resolved(margin),
                margin_share=margin.value if margin is not None and margin.relative else None,
                p_equivalent=p_within,
                pairs_to_decide=to_decide,
            )
        )
    return judged


def _by_max_t(samples: Sequence[Sample], rules: _Rules) -> list[float | None]:
    """Return the adjusted p-value of each comparison at the look that it ended at (docs/statistics.md says why).

    At a look those are corrected together that had not ended before, with the seeds up to there. Those that ended
    before and were not shown may be true null hypotheses all the same, whose seeds nobody knows: the bound of their
    part is added. Comparisons that have no data yet get their part of alpha by Bonferroni's inequality.
    """
    found: list[float | None] = [None] * len(samples)
    for stage in _stages(samples, rules):
        ended = _ended(stage, found, rules)
        p_values = max_t(stage.samples, np.random.default_rng(SEED), ended)
        for place, p_value in zip(stage.places, p_values, strict=True):
            if p_value is not None and rules.looks[place] == stage.look:
                found[place] = min(1.0, p_value * stage.unseen / rules.shares[place])
    return found


def _levels_by_max_t(samples: Sequence[Sample], rules: _Rules) -> list[float]:
    """Return the level of each comparison's own test at the look that it ended at, among those that count there."""
    found, shown = [0.0] * len(samples), _by_max_t(samples, rules)
    for stage in _stages(samples, rules):
        alphas = [rules.plan.comparisons.alpha * rules.shares[place] / stage.unseen for place in stage.places]
        ended = _ended(stage, shown, rules)
        levels = local_levels(stage.samples, alphas, np.random.default_rng(SEED), ended)
        for place, level in zip(stage.places, levels, strict=True):
            if rules.looks[place] == stage.look:
                found[place] = level
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """The comparisons that had not ended before a look."""

    look: int
    places: tuple[int, ...]
    """Their indices in the family."""
    samples: tuple[Sample, ...]
    """With the seeds up to the look: max-T flips the signs of these."""

    @property
    def unseen(self) -> float:
        """Comparisons for each with data."""
        return len(self.places) / max(1, sum(map(bool, self.samples)))


def _ended(stage: _Stage, p_values: Sequence[float | None], rules: _Rules) -> tuple[int, ...]:
    """Return, of each comparison that ended before a look and was not shown, the pairs it would have had there."""
    alpha, seeds = rules.plan.comparisons.alpha, rules.plan.seeds
    ended = [place for place, look in enumerate(rules.looks) if look < stage.look]
    open_still = [place for place in ended if (p := p_values[place]) is None or p > alpha]
    return tuple(-(-rules.planned[place] * seeds.looks[stage.look] // len(seeds.confirm)) for place in open_still)


def _stages(samples: Sequence[Sample], rules: _Rules) -> Iterator[_Stage]:
    """Yield a stage for each look at which a comparison ended; one with all comparisons if there are no looks."""
    seeds, estimate = rules.plan.seeds, rules.plan.comparisons.estimate
    for look in sorted(set(rules.looks)):
        here = tuple(place for place, at in enumerate(rules.looks) if at >= look)
        upto = frozenset(seeds.confirm[: seeds.looks[look]])
        cut = (_upto(samples[place], upto) if len(seeds.looks) > 1 else samples[place] for place in here)
        yield _Stage(look=look, places=here, samples=tuple(_flipped(sample, estimate) for sample in cut))


def _upto(sample: Sample, seeds: Collection[int]) -> Sample:
    return {block: value for block, value in sample.items() if block[1] in seeds}


def _within(samples: Sequence[Sampled], rules: _Rules) -> list[float | None]:
    """Return the corrected p-values of equivalence within the margin: of two one-sided tests, the larger.

    Each tests by sign flips whether the estimate lies above the lower, or below the upper end (Schuirmann 1987). An
    end that is a share of a mean is taken off in each pair, so that its chance is part of the test; both ends cannot
    be passed unless that mean is above 0. They are corrected by Holm's procedure, or not at all where the study's
    differences are not.
    """
    single = [
        None if p is None else min(1.0, p / share)
        for p, share in zip(within_p_values(samples, rules.plan), rules.shares, strict=True)
    ]
    return single if rules.correction == "none" else holm(single)


def within_p_values(samples: Sequence[Sampled], plan: StudyPlan) -> list[float | None]:
    """Return for each comparison the p-value of equivalence within its margin, not corrected."""
    estimate = plan.comparisons.estimate
    above_low, below_high = ([flipped(sample.beyond(side), estimate) for sample in samples] for side in (-1.0, 1.0))
    return [
        # Half of a two-sided p-value, as the sum lies on the side that is tested.
        None if low is None or high is None else max(low, high) / 2 if math.fsum(up) > 0 > math.fsum(down) else 1.0
        for up, down, low, high in zip(above_low, below_high, p_values(above_low), p_values(below_high), strict=True)
    ]


def _verdict(differences: Sequence[float], p_corrected: float | None, needed: int, rules: _Rules) -> str:
    """Say what paired differences show, never more than the pairs can carry."""
    plan, alpha = rules.plan, rules.plan.comparisons.alpha
    if p_corrected is None or (p_corrected > alpha and len(differences) < needed):
        return NOT_ENOUGH
    if p_corrected > alpha:
        return NO_DIFFERENCE
    rises = math.fsum(flipped(differences, plan.comparisons.estimate)) > 0
    if not rules.merit:
        return "higher" if rises else "lower"
    return "better" if rises == (plan.target.mode == "max") else "worse"


def _flipped(sample: Sample, estimate: Estimate) -> Sample:
    return dict(zip(sample, flipped(tuple(sample.values()), estimate), strict=True))
