"""Whether single blocks are far from the others of their arm, so that they alone may make or hide a difference."""

from __future__ import annotations

from ablative.analysis import rounding
from ablative.analysis.numbers.outlying import outlying
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.effects import pooled_comparisons

SURE = 0.05
"""Over all arms of the study together (Bonferroni)."""
_NAMED = 3


def outlying_line(observations: Observations, plan: StudyPlan) -> str:
    """Say which arms have a block far from their others on the headline, and its seed; empty where none has."""
    items = [item for item in pooled_comparisons(observations, plan) if item.arm != plan.reference]
    tested = [(item, found) for item in items if (found := outlying(item.differences)) is not None]
    shown = [(item, place) for item, (p_value, place) in tested if p_value * len(tested) <= SURE]
    if not shown:
        return ""
    named = "; ".join(_block(item, place, plan) for item, place in shown[:_NAMED])
    more = f"; and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    remedy = (
        "a median is moved by none of them: declare `comparisons.estimate` before further seeds are run"
        if plan.comparisons.estimate == "mean"
        else "nothing is left out for it"
    )
    return f"Single blocks are far from all others of their arm: {named}{more}; {remedy}."


def _block(item: ArmDifference, place: int, plan: StudyPlan) -> str:
    task, seed = item.blocks[place]
    several = plan.comparisons.blocks == "task_and_seed" and len({name for name, _ in item.blocks}) > 1
    where = f"seed {seed} of {task}" if several else f"seed {seed}"
    others = [value for at, value in enumerate(item.differences) if at != place]
    between = rounding.interval(min(others), max(others))
    apart = max(others) - min(others)
    return f"{item.arm} under {where} ({rounding.signed(item.differences[place], apart / 2)}, the others {between})"
