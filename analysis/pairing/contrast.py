"""One contrast: a weighted sum of arms inside each pair of a seed and a task, and its possible error by chance."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ablative.analysis.pairing.factors import Term
from ablative.analysis.pairing.paired import ALL_CONDITIONS
from ablative.analysis.pairing.paired import Paired
from ablative.analysis.pairing.pairing import Pairing
from ablative.analysis.pairing.pairing import Unit
from ablative.analysis.pairing.pairing import by_task
from ablative.analysis.pairing.verdicts import Judgement
from ablative.analysis.pairing.verdicts import has_merit
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.plan import StudyPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast(Paired):
    """A weighted sum of arms; `arms` are those with a weight."""

    term: Term
    """The weights of its arms; for two arms 1 and -1, in this order."""
    units: tuple[Unit, ...]
    """Seeds or blocks in which every arm has a value."""
    values: tuple[tuple[float, ...], ...]
    """Each arm's own value in each unit."""
    expected_pairs: int
    """Pairs that it is to have, as an arm that was clear at a look gets no more seeds."""

    def by_task(self) -> list[np.ndarray]:
        """Return the differences of each task."""
        return by_task(dict(zip(self.units, self.differences, strict=True)))

    def sides(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the values of two arms, by task, in the units that both have."""
        first, second = (by_task(dict(zip(self.units, found, strict=True))) for found in self.values)
        return first, second


def contrasts_of(
    pairing: Pairing, plan: StudyPlan, factors: Sequence[Term], condition: str | None = None
) -> list[Contrast]:
    """Return every pair of arms, then the terms of `factors`, in one condition or pooled over all.

    For two arms: the later less the earlier, in the study's order with the reference first.
    """
    arms = sorted(plan.arms, key=lambda arm: arm != plan.reference)
    if condition is None:
        values = {arm: pairing.blocks(arm) for arm in arms}
    else:
        values = {arm: {(condition, s): value for s, value in pairing.of(arm, condition).items()} for arm in arms}
    return [_contrast(pairing, term, values, condition) for term in (*_pairs(arms), *factors)]


def judged_contrasts(family: Sequence[Contrast], plan: StudyPlan) -> list[tuple[Contrast, Judgement]]:
    """Judge contrasts of one family and metric, each among those of its kind.

    An interaction is higher or lower than zero, which is not a merit.
    """
    found: list[tuple[Contrast, Judgement]] = []
    for kind in dict.fromkeys(contrast.term.kind for contrast in family):
        alike = [contrast for contrast in family if contrast.term.kind == kind]
        merit = kind != "interaction" and has_merit(alike[0].metric, plan)
        said = judge(alike, plan, has_merit=merit, intervals=alike[0].metric == plan.headline)
        found += zip(alike, said, strict=True)
    return found


def _pairs(arms: Sequence[str]) -> Iterator[Term]:
    for other, arm in combinations(arms, 2):
        yield Term(kind="arms", name=f"{arm} - {other}", weights={arm: 1.0, other: -1.0})


def _contrast(
    pairing: Pairing, term: Term, values: Mapping[str, Mapping[Unit, float]], condition: str | None
) -> Contrast:
    arms = tuple(term.weights)
    units = tuple(sorted(set.intersection(*(set(values[arm]) for arm in arms))))
    return Contrast(
        term=term,
        arms=arms,
        family="cells" if condition else "pooled",
        condition=condition or ALL_CONDITIONS,
        metric=pairing.metric,
        units=units,
        values=tuple(tuple(values[arm][unit] for unit in units) for arm in arms),
        blocks=tuple(map(pairing.block_of, units)),
        differences=tuple(sum(weight * values[arm][unit] for arm, weight in term.weights.items()) for unit in units),
        lost=pairing.lost(term.weights, condition),
        estimate=pairing.estimate,
        weights=pairing.weights_of(units) if condition is None else (),
        reference=tuple(_subtracted(term.weights, values, unit) for unit in units),
        planned_pairs=len(pairing.seeds) * len(pairing.strata(condition)),
        expected_pairs=sum(len(pairing.planned_seeds(arms, labels)) for labels in pairing.strata(condition)),
        **pairing.counts(arms, condition),
        lack=pairing.observations.lack(arms, pairing.conditions if condition is None else (condition,)),
    )


def _subtracted(weights: Mapping[str, float], values: Mapping[str, Mapping[Unit, float]], unit: Unit) -> float:
    """The mean of the arms that are subtracted, as weighted: of two arms the value of the second."""
    down = {arm: -weight for arm, weight in weights.items() if weight < 0}
    return sum(weight * values[arm][unit] for arm, weight in down.items()) / sum(down.values())
