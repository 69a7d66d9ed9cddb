"""The view `heterogeneity`: does the effect of an arm vary between conditions, and what is it likely to be in each?"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.analysis.numbers.heterogeneity import borrowed
from ablative.analysis.numbers.heterogeneity import fixed_interval
from ablative.analysis.numbers.heterogeneity import spread
from ablative.analysis.numbers.heterogeneity import varies
from ablative.analysis.numbers.heterogeneity import vary_jointly
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.pairing.pairing import Pairing
from ablative.analysis.pairing.pairing import by_task
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.plan import StudyPlan

HETEROGENEITY_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("n_pairs", pa.int64(), nullable=False),
        pa.field("difference", pa.float64(), nullable=False),
        pa.field("borrowed", pa.float64()),
        pa.field("borrowed_ci_low", pa.float64()),
        pa.field("borrowed_ci_high", pa.float64()),
        pa.field("conditions", pa.int64(), nullable=False),
        pa.field("p_varies", pa.float64()),
        pa.field("spread", pa.float64()),
        pa.field("spread_ci_low", pa.float64()),
        pa.field("spread_ci_high", pa.float64()),
        pa.field("fixed_ci_low", pa.float64()),
        pa.field("fixed_ci_high", pa.float64()),
    ]
)


def heterogeneity_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return one row per arm and condition, from a study's records (in `RECORD_SCHEMA`); the headline metric.

    Exploratory: nothing is corrected. Left out are conditions with fewer than two pairs, and arms with fewer than two
    conditions left.
    """
    pairing = pairing_of(observe(records, plan), plan, plan.headline)
    arms = (arm for arm in plan.arms if arm != plan.reference)
    rows = [row for arm in arms for row in _rows(arm, pairing, plan)]
    return pa.Table.from_pylist(rows, schema=HETEROGENEITY_SCHEMA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Varying:
    """Whether the effects of a study's arms vary between conditions more than by chance: one test of all arms."""

    p_value: float
    conditions: int
    tasks: int
    p_tasks: float | None
    """The same between tasks, each the mean over its conditions; None for one task, or for one condition per task."""
    arm: str
    """The arm whose effects spread the most."""
    least: tuple[str, float]
    """The condition with its lowest difference, and that difference."""
    most: tuple[str, float]


def varying(observations: Observations, plan: StudyPlan) -> Varying | None:
    """Return whether effects on the headline metric vary; None for one condition or if the seeds cannot tell.

    Only seeds count under which no arm lacks a trial.
    """
    pairing = pairing_of(observations, plan, plan.headline)
    arms = [arm for arm in plan.arms if arm != plan.reference]
    if len(pairing.conditions) < 2 or not arms:
        return None
    items = {arm: [pairing.in_condition(arm, label) for label in pairing.conditions] for arm in arms}
    whole = _complete([item for of in items.values() for item in of])
    by_arm = np.split(whole, len(arms), axis=1)
    p_value = vary_jointly(by_arm)
    if p_value is None:
        return None
    tasks = [observations.tasks.get(label, "") for label in pairing.conditions]
    means = dict(zip(arms, (found.mean(axis=0) for found in by_arm), strict=True))
    widest = max(arms, key=lambda arm: float(np.ptp(means[arm])))
    ranked = sorted(zip(pairing.conditions, map(float, means[widest]), strict=True), key=lambda place: place[1])
    several = 1 < len(set(tasks)) < len(tasks)
    return Varying(
        p_value=p_value,
        conditions=len(pairing.conditions),
        tasks=len(set(tasks)),
        p_tasks=vary_jointly([_by_task(found, tasks) for found in by_arm]) if several else None,
        arm=widest,
        least=ranked[0],
        most=ranked[-1],
    )


def _by_task(differences: np.ndarray, tasks: Sequence[str]) -> np.ndarray:
    """Means over the conditions of each task, of shape (seeds, tasks)."""
    columns = [[at for at, own in enumerate(tasks) if own == task] for task in dict.fromkeys(tasks)]
    return np.stack([differences[:, own].mean(axis=1) for own in columns], axis=1)


def _rows(arm: str, pairing: Pairing, plan: StudyPlan) -> Iterator[dict[str, Any]]:
    items = [pairing.in_condition(arm, label) for label in pairing.conditions]
    items = [item for item in items if len(item.differences) > 1]
    if len(items) < 2:
        return
    effects = [float(np.mean(item.differences)) for item in items]
    variances = [float(np.var(item.differences, ddof=1)) / len(item.differences) for item in items]
    whole = pairing.pooled(arm)
    strata = [by_task(dict(zip(whole.blocks, of, strict=True))) for of in (whole.differences, whole.counts_of_pairs)]
    fixed = fixed_interval(strata[0], [float(counts[0]) for counts in strata[1]]) or (None, None)
    true = spread(effects, variances)
    estimates = [None] * len(items) if true is None else borrowed(effects, variances, true.sd)
    of_arm = {
        "study": plan.study,
        "arm": arm,
        "metric": plan.headline,
        "conditions": len(items),
        "p_varies": varies(_complete(items)),
        **({} if true is None else {"spread": true.sd, "spread_ci_low": true.low, "spread_ci_high": true.high}),
        "fixed_ci_low": fixed[0],
        "fixed_ci_high": fixed[1],
    }
    for item, effect, estimate in zip(items, effects, estimates, strict=True):
        row = {**of_arm, "condition": item.condition, "n_pairs": len(item.differences), "difference": effect}
        if estimate is not None:
            row["borrowed"], (row["borrowed_ci_low"], row["borrowed_ci_high"]) = estimate
        yield row


def _complete(items: list[ArmDifference]) -> np.ndarray:
    """Differences for the seeds that are paired in every condition, shape (seeds, conditions)."""
    of = [{seed: value for (_, seed), value in zip(item.blocks, item.differences, strict=True)} for item in items]
    seeds = sorted(set.intersection(*(set(found) for found in of)))
    return np.array([[found[seed] for found in of] for seed in seeds]).reshape(len(seeds), len(items))
