"""Sequential seeds: which comparisons are clear at a look.

A p-value at a look that may spend the part a of alpha counts as p * alpha / a. It is valid at whichever look a
comparison ends, because the parts add up to alpha. So Holm's correction and every verdict stay unchanged, and a
comparison that is clear at a look stays clear while the others go on (docs/statistics.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablative.analysis.numbers.power import chance_beyond
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import Place
from ablative.analysis.pairing.observations import lacks_of
from ablative.analysis.pairing.verdicts import EQUIVALENT
from ablative.analysis.pairing.verdicts import NOT_DECIDED
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.pairing.verdicts import holds
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.views.effects import pooled_comparisons
from ablative.analysis.views.effects import pooled_rows
from ablative.orchestrator.deciding.decisions import Seen
from ablative.search_spaces.spending import spent_at


def clear_arms(stored: Mapping[str, Any], seen: Seen) -> frozenset[str]:
    """Return the arms whose primary comparison is decided, whatever the lost trials would have shown.

    It may show a difference. In a study with a margin, it may show that there is none beyond the margin: more seeds
    would cost time and could not change that. If the study declares futility, it may have hardly any chance left to
    show a difference beyond the margin. Nothing is decided between arms of which none has learned anything.

    `stored`: as in study.json.
    """
    plan = read_plan(stored)
    places = {cell.name: (cell.arm, cell.label) for cell in plan.cells}
    tasks = {cell.label: plan.roles.task_of(cell.condition) or "" for cell in plan.cells}
    values = _by_metric(seen, places, plan)
    observations = Observations(
        values=values,
        # Also without any observation: a condition without a value lacks the metric, and waits for nothing.
        completed={places[cell]: frozenset(found) for cell, found in seen.items()},
        failed={
            (cell.arm, cell.label): frozenset(plan.seeds.confirm[: cell.confirm_total or 0]) - seen[cell.name].keys()
            for cell in plan.cells
        },
        tasks=tasks,
        lacks=lacks_of(values, places.values(), plan),
    )
    rows = pooled_rows(observations, plan)
    decided = {row["arm"] for row in rows if row["verdict"] in (*SHOWN, EQUIVALENT) and holds(row)}
    open_still = {row["arm"] for row in rows if row["verdict"] == NOT_DECIDED}
    return frozenset(decided | (open_still & futile_arms(observations, plan)))


def futile_arms(observations: Observations, plan: StudyPlan) -> frozenset[str]:
    """Return the arms that would hardly show a difference beyond the margin with all seeds; empty without `futility`.

    Nothing is said of arms that have lost a pair, nor where the margin is a share of a mean that is not above 0; else
    a share is of the mean so far. The share of alpha is the last look's, as the hardest step of Holm's
    procedure leaves it.
    """
    sequential, margin = plan.seeds.sequential, plan.comparisons.matters
    if sequential is None or sequential.futility is None or margin is None:
        return frozenset()
    items = [item for item in pooled_comparisons(observations, plan) if item.arm != plan.reference]
    last = spent_at(plan.seeds.looks, sequential.spending, plan.comparisons.alpha)[-1]
    alpha = last if plan.comparisons.correction == "none" else last / len(items)
    return frozenset(
        item.arm
        for item in items
        if not item.lost
        and (amount := item.resolved(margin)) is not None
        and chance_beyond(item.counted, amount, item.planned_pairs, alpha) < sequential.futility
    )


def _by_metric(seen: Seen, places: Mapping[str, Place], plan: StudyPlan) -> dict[str, dict[Place, dict[int, float]]]:
    found: dict[str, dict[Place, dict[int, float]]] = {plan.headline: {places[cell]: {} for cell in seen}}
    for cell, of_seed in seen.items():
        for seed, metrics in of_seed.items():
            for name, value in metrics.items():
                found.setdefault(name, {}).setdefault(places[cell], {})[seed] = value
    return found
