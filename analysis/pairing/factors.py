"""Main effects and interactions of a factorial design, as weights of its arms.

The arms of a factorial or fractional study are runs of a designed experiment, so every arm tells something about every
factor. A term's estimate is a weighted sum of arm means. The same weights inside each block of task and seed give the
values that are tested (`analysis.views.contrasts`). On complete blocks the estimate equals the coefficient of ordinary
least squares with a column for each block, without its assumption of one scatter for all arms.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from itertools import combinations
from typing import Literal

import numpy as np

from ablative.analysis.plan import StudyPlan
from ablative.search_spaces.arms import named_levels
from ablative.search_spaces.study import Factor

DESIGNS = ("factorial", "fractional")
Levels = Mapping[str, Mapping[str, str]]
"""Arm -> factor -> label of its level; factors at the base's level are left out."""


Kind = Literal["arms", "main effect", "interaction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The estimated quantity: the difference of two arms, a main effect or a two-factor interaction."""

    kind: Kind
    name: str
    """`arm - arm`, the label of a level, or `label:label`."""
    weights: Mapping[str, float]
    """Arm -> its weight; they sum to 0."""
    aliases: tuple[str, ...] = ()
    """Terms that the design cannot distinguish from this one.

    With `-` in front if they enter with the opposite sign.
    """


def terms(plan: StudyPlan) -> tuple[Term, ...]:
    """Return main effects, then interactions, of a factorial or fractional study; empty for any other design.

    Main effect: mean of the arms at the level, less mean of those at the base's. Interaction: how much more one level
    adds if the other is present than if it is absent, which is twice the interaction of Box and Hunter 1961. Of terms
    that a fraction confounds, only the first is given, with the others as its aliases.
    """
    if plan.designed.design not in DESIGNS:
        return ()
    levels = levels_of_arms(plan)
    order = list(plan.designed.factors)
    named = dict.fromkeys(pair for chosen in levels.values() for pair in chosen.items())
    given = sorted(named, key=lambda pair: order.index(pair[0]))
    found = [_main(levels, factor, label) for factor, label in given]
    found += [_interaction(levels, first, second) for first, second in combinations(given, 2) if first[0] != second[0]]
    return _told_apart([term for term in found if term is not None], tuple(levels))


def levels_of_arms(plan: StudyPlan) -> Levels:
    """Return the levels of the arms that the design made, read from their names: `without_a+b=high`."""
    factors = [
        (name, tuple(label for label, _ in named_levels(name, Factor.model_validate(factor))))
        for name, factor in plan.designed.factors.items()
    ]
    levels: dict[str, Mapping[str, str]] = {}
    for arm in plan.arms:
        chosen = {} if arm == plan.designed.base else _read(arm, factors)
        if chosen is not None and arm not in plan.controls:
            levels[arm] = chosen
    return levels


def _read(name: str, factors: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, str] | None:
    if not name:
        return {}
    for position, (factor, labels) in enumerate(factors):
        for label in labels:
            if name == label or name.startswith(f"{label}+"):
                rest = _read(name[len(label) + 1 :], factors[position + 1 :])
                if rest is not None:
                    return {factor: label, **rest}
    return None


def _main(levels: Levels, factor: str, label: str) -> Term | None:
    there = [arm for arm, chosen in levels.items() if chosen.get(factor) == label]
    base = [arm for arm, chosen in levels.items() if factor not in chosen]
    return _term("main effect", label, ((there, 1), (base, -1)))


def _interaction(levels: Levels, first: tuple[str, str], second: tuple[str, str]) -> Term | None:
    def arms(one: bool, other: bool) -> list[str]:
        wanted = ((first, one), (second, other))
        return [
            arm
            for arm, chosen in levels.items()
            if all(chosen.get(factor) == (label if present else None) for (factor, label), present in wanted)
        ]

    groups = ((arms(True, True), 1), (arms(False, True), -1), (arms(True, False), -1), (arms(False, False), 1))
    return _term("interaction", f"{first[1]}:{second[1]}", groups)


def _term(kind: Kind, name: str, groups: Sequence[tuple[Sequence[str], int]]) -> Term | None:
    if any(not arms for arms, _ in groups):
        return None
    return Term(kind=kind, name=name, weights={arm: sign / len(arms) for arms, sign in groups for arm in arms})


def _told_apart(found: Sequence[Term], arms: Sequence[str]) -> tuple[Term, ...]:
    """Keep the first of terms whose weights are equal up to size or sign; the others are its aliases."""
    kept: list[Term] = []
    for term in found:
        for position, earlier in enumerate(kept):
            alike = _cosine(term, earlier, arms)
            if abs(alike) > 1 - 1e-9:
                sign = "-" if alike < 0 else ""
                kept[position] = replace(earlier, aliases=(*earlier.aliases, f"{sign}{term.name}"))
                break
        else:
            kept.append(term)
    return tuple(kept)


def _cosine(first: Term, second: Term, arms: Sequence[str]) -> float:
    one, other = (np.array([term.weights.get(arm, 0.0) for arm in arms]) for term in (first, second))
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))
