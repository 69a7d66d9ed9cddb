"""Whether single blocks are so far from their arm's others that they alone may make or hide a difference."""

from __future__ import annotations

from collections.abc import Sequence

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
    """Name the arms with blocks far from their others on the headline, and the seeds; empty if there are none."""
    items = [item for item in pooled_comparisons(observations, plan) if item.arm != plan.reference]
    found = [(item, outlying(item.counted, SURE / len(items))) for item in items]
    shown = [(item, places) for item, places in found if places]
    if not shown:
        return ""
    named = "; ".join(_blocks(item, places, plan) for item, places in shown[:_NAMED])
    more = f"; and {len(shown) - _NAMED} more arms" if len(shown) > _NAMED else ""
    remedy = (
        "a median is hardly moved by them: declare `comparisons.estimate` before further seeds are run"
        if plan.comparisons.estimate == "mean"
        else "nothing is left out for it"
    )
    return f"Single blocks are far from all others of their arm: {named}{more}; {remedy}."


def _blocks(item: ArmDifference, places: Sequence[int], plan: StudyPlan) -> str:
    others = [value for at, value in enumerate(item.differences) if at not in places]
    several = plan.comparisons.blocks == "task_and_seed" and len({name for name, _ in item.blocks}) > 1
    half = (max(others) - min(others)) / 2
    far = [
        f"{f'seed {seed} of {task}' if several else f'seed {seed}'} ({rounding.signed(item.differences[at], half)})"
        for at in sorted(places)
        for task, seed in [item.blocks[at]]
    ]
    return f"{item.arm} under {' and '.join(far)}, the others {rounding.interval(min(others), max(others))}"
