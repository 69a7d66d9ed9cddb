"""How far the luck of the search may explain a study's findings, given the scatter in its own records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa

from ablative.analysis.pairing.observations import Observations
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.tried import tried_settings
from ablative.search_spaces.search_risk import Scatter
from ablative.search_spaces.search_risk import SearchDesign
from ablative.search_spaces.search_risk import assumed
from ablative.search_spaces.search_risk import measured
from ablative.search_spaces.search_risk import own_variance
from ablative.search_spaces.search_risk import search_design


def search_luck(tried: pa.Table, observations: Observations, plan: StudyPlan) -> tuple[SearchDesign, Scatter] | None:
    """Return the values that the risk depends on, and the scatter of the search trials `tried`, or an assumed one.

    None if luck chose nothing: nothing was searched, or nothing is known about the search.
    """
    design = _design(plan)
    if design is None:
        return None
    searches = [[one.value for one in settings] for settings in tried_settings(tried, plan).values()]
    return design, measured(searches, _confirmed(observations, plan), design.search_seeds) or assumed(design)


def own_noise(observations: Observations, plan: StudyPlan) -> float | None:
    """Return the variance of a trial's own noise; None if too few pairs are recorded."""
    return own_variance(_confirmed(observations, plan))


def _confirmed(observations: Observations, plan: StudyPlan) -> dict[str, dict[str, Mapping[int, float]]]:
    """Return condition -> arm -> seed -> the confirm trial's target, or else its headline."""
    target = plan.target.metric
    metric = target if target in observations.values else plan.headline
    found: dict[str, dict[str, Mapping[int, float]]] = defaultdict(dict)
    for (arm, condition), values in observations.values.get(metric, {}).items():
        found[condition][arm] = values
    return found


def _design(plan: StudyPlan) -> SearchDesign | None:
    if plan.designed.design == "path":
        return None
    tasks = {plan.comparisons.blocks == "seed" or plan.roles.task_of(cell.condition) for cell in plan.cells}
    searched = sum(bool(cell.search_total) for cell in plan.cells)
    return search_design(plan, arms=len(plan.arms), tasks=len(tasks), searched=searched)
