"""Whether the confirm seeds of some cells form two groups: then their mean fits neither, and a test of it may err."""

from __future__ import annotations

from ablative.analysis import rounding
from ablative.analysis.numbers.two_groups import two_groups
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.plan import NO_CONDITIONS
from ablative.analysis.plan import StudyPlan
from ablative.orchestrator.reached import mean_of

SURE = 0.05
"""Over all cells of the study together (Bonferroni)."""
_NAMED = 3


def two_groups_line(observations: Observations, plan: StudyPlan) -> str:
    """Name the arms, and where their confirm seeds form two groups on the headline metric; empty if none do."""
    cells = [
        (arm, label, list(observations.of(plan.headline, (arm, label)).values()))
        for label in plan.conditions
        for arm in plan.arms
    ]
    tested = [(cell, found) for cell in cells if (found := two_groups(cell[2])) is not None]
    shown = [(cell, lower) for cell, (p_value, lower) in tested if p_value * len(tested) <= SURE]
    if not shown:
        return ""
    named = "; ".join(_cell(arm, label, sorted(values), lower) for (arm, label, values), lower in shown[:_NAMED])
    more = f"; and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return (
        f"Confirm seeds fall into two groups: {named}{more}. A mean of both describes neither, and tests that take "
        "differences for symmetric may err: read single seeds, and the median in `contrasts`."
    )


def _cell(arm: str, label: str, values: list[float], lower: int) -> str:
    halves = [mean_of(part) or 0.0 for part in (values[:lower], values[lower:])]
    places = rounding.decimals_for(halves[1] - halves[0])
    few, rest = (f"{half:.{places}f}" for half in halves)
    where = f" at {label}" if label != NO_CONDITIONS else ""
    return f"{arm}{where} ({lower} of {len(values)} near {few}, the others near {rest})"
