"""How the values of one metric are paired: by seed in one condition, by block of task and seed over all conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np

from ablative.analysis.pairing.losses import NOTHING_LOST
from ablative.analysis.pairing.losses import Block
from ablative.analysis.pairing.losses import Losses
from ablative.analysis.pairing.losses import LostPair
from ablative.analysis.pairing.losses import losses_of
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import Place
from ablative.analysis.pairing.paired import ALL_CONDITIONS
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.pairing.paired import Family
from ablative.analysis.plan import StudyPlan
from ablative.orchestrator.learned import majority_name
from ablative.orchestrator.reached import mean_of
from ablative.search_spaces.spending import Estimate

Unit = tuple[str, int]
"""(condition or task, seed): the unit of a pair."""
ALL_TASKS = "all tasks"
"""Stands in place of the task if a block is a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """The values of one metric, and the pairs that arms form with a reference arm."""

    observations: Observations
    metric: str
    reference: str
    conditions: tuple[str, ...]
    """Conditions that have the metric."""
    seeds: tuple[int, ...]
    """Planned confirm seeds."""
    planned: Mapping[tuple[str, str], int]
    """(Arm, condition) -> confirm trials planned."""
    losses: Losses = NOTHING_LOST
    joined: bool = False
    """Whether a block is a seed with all its tasks; otherwise it is one task under one seed."""
    estimate: Estimate = "mean"
    """The estimate that compares paired differences."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Condition -> what it counts over all conditions; empty where all tasks count alike."""

    def against(self, reference: str) -> Pairing:
        """Return the same pairing with another reference arm."""
        return replace(self, reference=reference)

    def in_condition(self, arm: str, condition: str) -> ArmDifference:
        """Pair `arm` with the reference by seed in one condition."""
        own = {(condition, seed): value for seed, value in self.of(arm, condition).items()}
        other = {(condition, seed): value for seed, value in self.of(self.reference, condition).items()}
        return self._difference("cells", arm, condition, own, other)

    def pooled(self, arm: str) -> ArmDifference:
        """Pair `arm` with the reference by block (task, seed), or by seed, over all conditions.

        Inside a block, conditions are averaged: their low-shot subsets are nested and their values share a seed, so
        they are not replicates. A block counts if all its conditions have values.
        """
        own, other = self.blocks(arm), self.blocks(self.reference)
        return self._difference("pooled", arm, ALL_CONDITIONS, own, other)

    def of(self, arm: str, condition: str) -> Mapping[int, float]:
        """Return seed -> value of `arm` in one condition."""
        return self.observations.of(self.metric, (arm, condition))

    def blocks(self, arm: str) -> dict[Unit, float]:
        """Return the mean over conditions, as weighted, of each block of `arm` that has all of them."""
        blocks: dict[Unit, float] = {}
        for labels in self.strata(None):
            parts = [(self.weight(label), self.of(arm, label)) for label in labels]
            whole = math.fsum(weight for weight, _ in parts)
            for seed in self.seeds:
                if all(seed in part for _, part in parts):
                    stratum = self._stratum(labels[0])
                    blocks[stratum, seed] = math.fsum(weight * part[seed] for weight, part in parts) / whole
        return blocks

    def weights_of(self, units: Sequence[Unit]) -> tuple[float, ...]:
        """Return what each block counts over all conditions, 1 for the mean of tasks; empty where all count alike.

        A task counts with the mean weight of its conditions, so that it counts no more for having more of them.
        """
        of_stratum = {
            self._stratum(labels[0]): math.fsum(map(self.weight, labels)) / len(labels) for labels in self.strata(None)
        }
        if len(set(of_stratum.values())) < 2:
            return ()
        mean = math.fsum(of_stratum.values()) / len(of_stratum)
        return tuple(of_stratum[stratum] / mean for stratum, _ in units)

    def weight(self, condition: str) -> float:
        """Return what a condition counts over all of them."""
        return self.weights.get(condition, 1.0)

    def block_of(self, unit: Unit) -> Block:
        """Return the block of a unit that names a condition or the task itself."""
        stratum, seed = unit
        return self._stratum(stratum) if stratum in self.observations.tasks else stratum, seed

    def _stratum(self, condition: str) -> str:
        return ALL_TASKS if self.joined else self.observations.tasks[condition]

    def planned_seeds(self, arms: Sequence[str], conditions: Sequence[str]) -> tuple[int, ...]:
        """Return the seeds planned for all `arms`: an arm that was clear at a look gets no more."""
        return self.seeds[: min(self.planned.get((arm, label), 0) for arm in arms for label in conditions)]

    def by_task(self, condition: str | None) -> list[tuple[str, ...]]:
        """Return the conditions of each task, or the one condition alone."""
        if condition is not None:
            return [(condition,)]
        tasks: dict[str, list[str]] = {}
        for label in self.conditions:
            tasks.setdefault(self.observations.tasks[label], []).append(label)
        return [tuple(labels) for labels in tasks.values()]

    def strata(self, condition: str | None) -> list[tuple[str, ...]]:
        """Return the conditions whose values form one block under a seed, or the one condition alone."""
        if condition is None and self.joined and self.conditions:
            return [self.conditions]
        return self.by_task(condition)

    def lost(self, weights: Mapping[str, float], condition: str | None = None) -> tuple[LostPair, ...]:
        """Return the lost pairs of the weighted arms, whose trials have all ended."""
        if not self.losses.seeds:
            return ()
        return tuple(
            self._lost(weights, labels, seed, pooled=condition is None)
            for labels in self.strata(condition)
            for seed in self.planned_seeds(tuple(weights), labels)
            if self._is_lost([(arm, label) for arm in weights for label in labels], seed)
        )

    def _majority(self, arm: str, condition: str | None) -> float | None:
        of_majority = replace(self, metric=majority_name(self.metric))
        found = of_majority.blocks(arm) if condition is None else of_majority.of(arm, condition)
        return mean_of(found.values())

    def _is_lost(self, places: Sequence[Place], seed: int) -> bool:
        ended = all(seed in self.of(*place) or self.losses.lost([place], seed) for place in places)
        return ended and self.losses.lost(places, seed)

    def _lost(self, weights: Mapping[str, float], labels: Sequence[str], seed: int, *, pooled: bool) -> LostPair:
        whole = [label for label in labels if all(seed in self.of(arm, label) for arm in weights)]
        known = sum(
            self.weight(label) * weight * self.of(arm, label)[seed]
            for label in whole
            for arm, weight in weights.items()
        )
        up = sum(weight for weight in weights.values() if weight > 0)
        most = up * sum(self.weight(label) * self.losses.spread(label) for label in labels if label not in whole)
        block, counted = self.block_of((labels[0], seed)), sum(map(self.weight, labels))
        (own,) = (self.weights_of([block]) if pooled else ()) or (1.0,)
        return LostPair(block=block, known=known / counted, most=most / counted, weight=own)

    def counts(self, arms: Sequence[str], condition: str | None = None) -> dict[str, int]:
        """Return the numbers of confirm trials of `arms`: planned, completed with a finite value, failed, missing."""
        labels = self.conditions if condition is None else (condition,)
        places = [(arm, label) for arm in arms for label in labels]
        planned = sum(self.planned.get(place, 0) for place in places)
        completed = sum(len(self.of(*place)) for place in places)
        failed = sum(len(self.observations.failed.get(place, ())) for place in places)
        return {
            "planned": planned,
            "completed": completed,
            "failed": failed,
            "missing": planned - completed - failed,
        }

    def _difference(
        self, family: Family, arm: str, condition: str, own: Mapping[Unit, float], other: Mapping[Unit, float]
    ) -> ArmDifference:
        alone = arm == self.reference
        pairs = [] if alone else sorted(own.keys() & other.keys())
        within = None if family == "pooled" else condition
        labels = self.conditions if within is None else (within,)
        units = sorted(own)
        return ArmDifference(
            metric=self.metric,
            family=family,
            arms=(arm, self.reference),
            condition=condition,
            planned_pairs=len(self.seeds) * len(self.strata(within)),
            lost=() if alone else self.lost({arm: 1.0, self.reference: -1.0}, within),
            values=tuple(own[unit] for unit in units),
            value_weights=self.weights_of(units) if within is None else (),
            reference=tuple(other[unit] for unit in pairs),
            weights=self.weights_of(pairs) if within is None else (),
            blocks=tuple(map(self.block_of, pairs)),
            differences=tuple(own[unit] - other[unit] for unit in pairs),
            estimate=self.estimate,
            strata=len({stratum for stratum, _ in own}),
            majority=self._majority(arm, within),
            own_lack=self.observations.lack((arm,), labels),
            lack=self.observations.lack((arm, self.reference), labels),
            **self.counts((arm,), within),
        )


def pairing_of(observations: Observations, plan: StudyPlan, metric: str) -> Pairing:
    """Return the pairing of a study's arms for one metric."""
    conditions = observations.conditions(metric, plan)
    return Pairing(
        observations=observations,
        metric=metric,
        reference=plan.reference or "",
        conditions=conditions,
        seeds=plan.seeds.confirm,
        planned=plan.confirm_planned,
        losses=losses_of(observations, metric, plan.arms, conditions),
        joined=plan.comparisons.blocks == "seed",
        estimate=plan.comparisons.estimate,
        weights=weights_in(plan, conditions),
    )


def weights_in(plan: StudyPlan, conditions: Sequence[str]) -> dict[str, float]:
    """Return what a study's conditions count over all of them; nothing without declared weights."""
    if plan.comparisons.weights is None:
        return {}
    return {label: plan.comparisons.weight_of(plan.condition_of(label)) for label in conditions}


def by_task(values: Mapping[Unit, float]) -> list[np.ndarray]:
    """Return the values of each task, or condition."""
    tasks = dict.fromkeys(task for task, _ in values)
    return [np.array([value for (task, _), value in values.items() if task == wanted]) for wanted in tasks]
