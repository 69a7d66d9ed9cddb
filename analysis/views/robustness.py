"""The view `robustness`: the primary comparisons without one condition, or without one task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.pairing.pairing import Pairing
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.pairing.verdicts import Judgement
from ablative.analysis.pairing.verdicts import has_merit
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.judged import PAIRS
from ablative.analysis.views.judged import VERDICT

ROBUSTNESS_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("left_out", pa.string(), nullable=False),
        *PAIRS.fields,
        *VERDICT.fields,
        pa.field("verdict_of_all", pa.string(), nullable=False),
        pa.field("changes", pa.bool_(), nullable=False),
    ]
)


def robustness_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return one row per arm and part left out, from a study's records (in `RECORD_SCHEMA`); the headline metric.

    Each remainder is judged like the primary comparisons, corrected over the arms. A study with one condition has no
    rows.
    """
    return pa.Table.from_pylist(robustness_rows(observe(records, plan), plan), schema=ROBUSTNESS_SCHEMA)


def robustness_rows(observations: Observations, plan: StudyPlan) -> list[dict[str, Any]]:
    """Return the rows of `robustness_view` for observations."""
    pairing = pairing_of(observations, plan, plan.headline)
    whole = {item.arm: said.verdict for item, said in _judged(pairing, plan)}
    return [
        {
            "study": plan.study,
            "arm": item.arm,
            "metric": plan.headline,
            "kind": kind,
            "left_out": name,
            **PAIRS.row(item),
            **VERDICT.row(said),
            "verdict_of_all": whole[item.arm],
            "changes": said.verdict != whole[item.arm],
        }
        for kind, name, conditions in _parts(pairing)
        for item, said in _judged(replace(pairing, conditions=conditions), plan)
    ]


def _judged(pairing: Pairing, plan: StudyPlan) -> list[tuple[ArmDifference, Judgement]]:
    family = [pairing.pooled(arm) for arm in plan.arms if arm != plan.reference]
    found = judge(family, plan, has_merit=has_merit(plan.headline, plan))
    return list(zip(family, found, strict=True))


def _parts(pairing: Pairing) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield kind and name of each part to leave out, and the conditions that stay."""
    if len(pairing.conditions) < 2:
        return
    for label in pairing.conditions:
        yield "condition", label, tuple(other for other in pairing.conditions if other != label)
    tasks = pairing.by_task(None)
    if len(tasks) > 1 and any(len(labels) > 1 for labels in tasks):
        for labels in tasks:
            name = pairing.observations.tasks[labels[0]]
            yield "task", name, tuple(other for other in pairing.conditions if other not in labels)
