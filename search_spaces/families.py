"""The power of a study: its families of comparisons, the pairs that each comparison gets, and the pairs it needs.

A pair is one task under one seed. In a single condition it is a seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from math import prod
from typing import Literal

from ablative.search_spaces.arms import reference
from ablative.search_spaces.document import Document
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.spending import in_force
from ablative.search_spaces.spending import pairs_needed
from ablative.search_spaces.spending import spent_at
from ablative.search_spaces.study import Claim
from ablative.search_spaces.study import Study

FamilyName = Literal["claims", "primary", "cells", "contrasts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Comparisons that are corrected together."""

    name: FamilyName
    """`claims`: as declared. `primary`: each arm against the reference. `cells`: the same in each condition.
    `contrasts`: every two arms."""
    what: str
    """What is compared, in words, with the number of comparisons."""
    pairs: tuple[int, ...]
    """Pairs that each comparison gets if no trial fails."""
    needed: int
    """Fewest pairs with which a comparison can be the first to reach significance. Once others have, Holm's later
    steps take fewer; Benjamini and Hochberg's procedure has one number for all."""

    @property
    def short(self) -> tuple[int, ...]:
        """Positions of the comparisons with fewer pairs."""
        return tuple(at for at, pairs in enumerate(self.pairs) if pairs < self.needed)

    def __str__(self) -> str:
        each = " each" if len(self.pairs) > 1 else ""
        counts = f"{self.what}: {_range(self.pairs)} pairs{each}, {self.needed} needed"
        if not self.short:
            return counts
        if len(self.short) < len(self.pairs):
            return f"{counts}: {len(self.short)} of them can reach significance only after others have"
        return f"{counts}: too few to reach significance"


def families(study: Study, task: str | None, arms: int) -> tuple[Family, ...]:
    """The families of a study with this number of arms to confirm, the most important first; none for one arm.

    `task`: path of the condition whose values form separate pairs under one seed.
    """
    tasks, seeds = tasks_apart(study, task), len(study.seeds.confirm)
    compared, conditions = arms - 1, prod(map(len, study.conditions.values()))
    claims = study.comparisons.claims
    found = []
    if claims:
        pairs = tuple(_claimed_tasks(study, task, claim) * seeds for claim in claims.values())
        equal = sum(claim.equivalent_within is not None for claim in claims.values())
        found.append(_family(study, "claims", _counted(len(claims), "claim"), pairs, equal=equal))
    if compared:
        what = f"{_counted(compared, 'arm')} against {reference(study.arms)}"
        found.append(_family(study, "primary", what, (tasks * seeds,) * compared))
    if compared and conditions > 1:
        what = f"the same in each of {conditions} conditions"
        found.append(_family(study, "cells", what, (seeds,) * (compared * conditions)))
    if compared > 1:
        count = comb(arms, 2)
        found.append(_family(study, "contrasts", f"{count} contrasts of two arms", (tasks * seeds,) * count))
    return tuple(found)


def arms_to_confirm(study: Study, built: int) -> int:
    """The number of arms that a study confirms, out of those built; a path confirms one more at each step."""
    if study.arms.design != "path":
        return built
    return 1 + len(study.arms.factors) + len(study.arms.listed) + len(study.arms.controls)


def unanswerable(document: Document, study: Study, task: str | None, found: tuple[Family, ...]) -> Iterator[Mistake]:
    """A warning for each part of a study's question that no result can answer.

    The question is the claims, or, in a study without claims, the primary comparisons.
    """
    main = next(iter(found), None)
    if main is None or not main.short:
        return
    if len(main.short) == len(main.pairs):
        tasks = max(main.pairs) // len(study.seeds.confirm)
        few = f"{_range(main.pairs)} pairs of task and seed for {main.what}, too few to reach significance"
        yield document.warning(("seeds", "confirm"), few, _more_seeds(main.needed, tasks))
        return
    for at in main.short:
        name, claim = list(study.comparisons.claims.items())[at]
        few = f"{main.pairs[at]} pairs of task and seed, too few to be the first of {main.what} to reach significance"
        tasks = _claimed_tasks(study, task, claim)
        yield document.warning(("comparisons", "claims", name), few, _more_seeds(main.needed, tasks))


def _more_seeds(needed: int, tasks: int) -> str:
    return (
        f"at least {needed} pairs, which takes {-(-needed // max(tasks, 1))} confirm seeds; "
        "or declare fewer comparisons"
    )


def _family(study: Study, name: FamilyName, what: str, pairs: tuple[int, ...], *, equal: int = 0) -> Family:
    """`equal`: how many are claims of equivalence, which have one-sided tests and their part of alpha."""
    alpha, comparisons = study.comparisons.alpha, len(pairs)
    correction = in_force(
        study.comparisons.correction,
        comparisons=comparisons,
        pairs=min(pairs),
        alpha=alpha,
        estimate=study.comparisons.estimate,
    )
    if study.seeds.sequential is not None:  # comparisons not clear before are judged at the last look
        alpha = spent_at(study.seeds.looks, study.seeds.sequential.spending, alpha)[-1]
    if equal == len(pairs):
        correction, alpha = "none" if correction == "none" else "holm", min(2 * alpha, 0.999)
    elif correction != "none":
        alpha, comparisons = alpha * (len(pairs) - equal) / len(pairs), len(pairs) - equal
    return Family(name=name, what=what, pairs=pairs, needed=pairs_needed(comparisons, alpha, correction))


def tasks_apart(study: Study, task: str | None) -> int:
    """How many pairs one seed gives: one a task, or one for all of them where a block is a seed."""
    return 1 if study.comparisons.blocks == "seed" else len(tasks_of(study, task))


def tasks_of(study: Study, task: str | None) -> tuple[str, ...]:
    """The tasks of a study, of which `task` is the path; one where none are crossed."""
    return tuple(study.conditions.get(task or "", ("the task of the base",)))


def _claimed_tasks(study: Study, task: str | None, claim: Claim) -> int:
    if study.comparisons.blocks == "seed":
        return 1
    return len(claim.where.get(task or "", tasks_of(study, task)))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _range(numbers: tuple[int, ...]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
