"""How many seeds a study needs to show an effect of a given size, given its recorded scatter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

from ablative.analysis.errors import AnalysisError
from ablative.analysis.numbers.estimates import EFFICIENCY
from ablative.analysis.numbers.power import pairs_for
from ablative.analysis.numbers.power import power_of
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.effects import pooled_comparisons
from ablative.search_spaces.spending import hardest_factor

SURE = 0.8
"""Probability that the true scatter is below the upper limit used."""

NEEDED_SCHEMA = pa.schema(
    [
        pa.field("arm", pa.string(), nullable=False),
        pa.field("n_pairs", pa.int64(), nullable=False),
        pa.field("sd", pa.float64()),
        pa.field("power_now", pa.float64()),
        pa.field("pairs", pa.int64()),
        pa.field("seeds", pa.int64()),
        pa.field("more_seeds", pa.int64()),
        pa.field("more_seeds_to_be_sure", pa.int64()),
    ]
)


def seeds_needed(records: pa.Table, plan: StudyPlan, *, effect: float, power: float) -> pa.Table:
    """Return the needs of each arm's primary comparison, one row per arm but the reference, in `NEEDED_SCHEMA`.

    `effect`: a true difference to the reference, in units of the metric. The allowed error is that of the hardest step
    of the study's correction. Max-T needs fewer seeds if arms are alike; under it, and under `auto`, Holm's figure is
    an upper bound. Raises AnalysisError if no arm has two pairs yet.
    """
    found = [item for item in pooled_comparisons(observe(records, plan), plan) if item.arm != plan.reference]
    if all(len(item.differences) < 2 for item in found):
        raise AnalysisError(
            f"study {plan.study!r}: no arm has two pairs with {plan.reference} yet, so that nothing is known of the "
            "scatter; `ablate simulate` reckons with an assumed one"
        )
    correction = plan.correction_of(len(found), min(item.planned_pairs for item in found))
    correction = "holm" if correction == "max_t" else correction
    alpha = plan.comparisons.alpha / hardest_factor(len(found), correction)
    tasks = max(1, len({plan.roles.task_of(cell.condition) for cell in plan.cells}))
    tasks = 1 if plan.comparisons.blocks == "seed" else tasks
    rows = [_row(item, effect=effect, power=power, alpha=alpha, tasks=tasks, plan=plan) for item in found]
    return pa.Table.from_pylist(rows, schema=NEEDED_SCHEMA)


def _row(
    item: ArmDifference, *, effect: float, power: float, alpha: float, tasks: int, plan: StudyPlan
) -> Mapping[str, Any]:
    n = len(item.differences)
    if n < 2:
        return {"arm": item.arm, "n_pairs": n}
    sd = float(np.std(item.counted, ddof=1)) / math.sqrt(EFFICIENCY[item.estimate])
    upper = sd * math.sqrt((n - 1) / float(stats.chi2.ppf(1 - SURE, n - 1)))
    pairs = pairs_for(effect, sd, alpha, power)
    at_most = pairs_for(effect, upper, alpha, power)
    now = len(plan.seeds.confirm)
    return {
        "arm": item.arm,
        "n_pairs": n,
        "sd": sd,
        "power_now": power_of(n, effect, sd, alpha),
        "pairs": pairs,
        "seeds": None if pairs is None else -(-pairs // tasks),
        "more_seeds": None if pairs is None else max(0, -(-pairs // tasks) - now),
        "more_seeds_to_be_sure": None if at_most is None else max(0, -(-at_most // tasks) - now),
    }
