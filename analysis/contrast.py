"""One contrast: a weighted sum of arms taken inside each pair of a seed and a task, and what chance could do to it."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.comparison import ALL_CONDITIONS
from analysis.comparison import Comparer
from analysis.comparison import Family
from analysis.comparison import Unit
from analysis.comparison import by_task
from analysis.effects import over_looks
from analysis.factors import Term
from analysis.plan import StudyPlan
from analysis.statistics import corrected
from analysis.statistics import sign_flip_p_value
from analysis.statistics import t_interval
from search_spaces.spending import pairs_needed

SEED = 20260
"""Of all that is drawn for a view; fixed, so that a table is a function of records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Values of one contrast of one metric."""

    term: Term
    """Its weights; of two arms 1 and -1, in this order."""
    family: Family
    condition: str
    metric: str
    values: Mapping[str, Mapping[Unit, float]]
    """Arm -> its own value in each seed or block it has."""
    planned_pairs: int
    planned: int
    """Confirm trials planned, of all its arms."""
    completed: int
    failed: int
    missing: int
    """Planned and neither completed with a finite value nor failed."""

    @property
    def units(self) -> tuple[Unit, ...]:
        """Seeds or blocks in which every arm has a value."""
        return tuple(sorted(set.intersection(*(set(found) for found in self.values.values()))))

    @property
    def differences(self) -> tuple[float, ...]:
        """The weighted sum of the arms in each unit."""
        return tuple(self._difference(unit) for unit in self.units)

    def by_task(self) -> list[np.ndarray]:
        """Return the differences of each task."""
        return by_task({unit: self._difference(unit) for unit in self.units})

    def sides(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the values of two arms, by task, in units that both have."""
        first, second = (by_task({unit: found[unit] for unit in self.units}) for found in self.values.values())
        return first, second

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % t-interval of the mean difference."""
        return t_interval(self.differences)

    @property
    def p_value(self) -> float | None:
        """Sign-flip p-value, not corrected."""
        return sign_flip_p_value(self.differences, np.random.default_rng(SEED))

    def _difference(self, unit: Unit) -> float:
        return sum(weight * self.values[arm][unit] for arm, weight in self.term.weights.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A contrast among the others of its kind, family and metric."""

    contrast: Contrast
    p_value: float | None
    p_corrected: float | None
    comparisons: int
    pairs_needed: int


def contrasts(
    comparer: Comparer, plan: StudyPlan, factors: Sequence[Term], condition: str | None = None
) -> list[Contrast]:
    """Return every pair of arms, then the terms of `factors`, in one condition or pooled over all.

    Of two arms the later one less the earlier one, in the study's order with the reference in front.
    """
    arms = sorted(plan.arms, key=lambda arm: arm != plan.reference)
    if condition is None:
        values = {arm: comparer.blocks(arm) for arm in arms}
    else:
        values = {arm: {(condition, s): value for s, value in comparer.of(arm, condition).items()} for arm in arms}
    return [_contrast(comparer, term, values, condition) for term in (*_pairs(arms), *factors)]


def judged(family: Sequence[Contrast], plan: StudyPlan) -> list[Judged]:
    """Test contrasts of one family and metric, and correct within each kind as the study declares."""
    found: list[Judged] = []
    for kind in dict.fromkeys(contrast.term.kind for contrast in family):
        found += _judged([contrast for contrast in family if contrast.term.kind == kind], plan)
    return found


def _judged(alike: Sequence[Contrast], plan: StudyPlan) -> Iterator[Judged]:
    correction, alpha = plan.comparisons.correction, plan.comparisons.alpha
    spent = [_spent(contrast, plan) for contrast in alike]
    p_values = [contrast.p_value for contrast in alike]
    counted = [over_looks(p_value, share) for p_value, share in zip(p_values, spent, strict=True)]
    size = 1 if correction == "none" else len(alike)
    for contrast, share, p_value, adjusted in zip(alike, spent, p_values, corrected(counted, correction), strict=True):
        yield Judged(
            contrast=contrast,
            p_value=p_value,
            p_corrected=adjusted,
            comparisons=size,
            pairs_needed=pairs_needed(size if correction == "holm" else 1, alpha * share),
        )


def _spent(contrast: Contrast, plan: StudyPlan) -> float:
    """Its seeds end with those of the arm that was stopped first, so that arm's look is the one it stands at."""
    planned = plan.confirm_planned
    return plan.spent(
        min(
            contrast.term.weights,
            key=lambda arm: max((count for (name, _), count in planned.items() if name == arm), default=0),
        )
    )


def _pairs(arms: Sequence[str]) -> Iterator[Term]:
    for other, arm in combinations(arms, 2):
        yield Term(kind="arms", name=f"{arm} - {other}", weights={arm: 1.0, other: -1.0})


def _contrast(
    comparer: Comparer, term: Term, values: Mapping[str, Mapping[Unit, float]], condition: str | None
) -> Contrast:
    return Contrast(
        term=term,
        family="cells" if condition else "pooled",
        condition=condition or ALL_CONDITIONS,
        metric=comparer.metric,
        values={arm: values[arm] for arm in term.weights},
        planned_pairs=_planned_pairs(comparer, tuple(term.weights), condition),
        **comparer.counts(tuple(term.weights), condition),
    )


def _planned_pairs(comparer: Comparer, arms: Sequence[str], condition: str | None) -> int:
    """Seeds, or blocks, that all `arms` were to have: an arm that was clear at a look gets no more."""
    fewest: dict[str, int] = {}
    for label in comparer.conditions if condition is None else (condition,):
        task = comparer.observations.tasks[label]
        seeds = min(comparer.planned.get((arm, label), 0) for arm in arms)
        fewest[task] = min(seeds, fewest.get(task, seeds))
    return sum(fewest.values())
