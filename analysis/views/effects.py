"""The view `effects`: the confirm results of each arm, and its difference from the reference arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ablative.analysis.errors import AnalysisError
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.pairing.verdicts import REFERENCE
from ablative.analysis.pairing.verdicts import Judgement
from ablative.analysis.pairing.verdicts import has_merit
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.judged import PAIRS
from ablative.analysis.views.judged import PLACE
from ablative.analysis.views.judged import TRIALS
from ablative.analysis.views.judged import VERDICT
from ablative.orchestrator.storing.flat_trials import typed_column
from ablative.search_spaces.spending import Method
from ablative.search_spaces.spending import pairs_needed

EFFECT_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("is_reference", pa.bool_(), nullable=False),
        pa.field("is_control", pa.bool_(), nullable=False),
        *PLACE.fields,
        pa.field("n", pa.int64(), nullable=False),
        pa.field("mean", pa.float64()),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field("majority", pa.float64()),
        pa.field("lack", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("reference_mean", pa.float64()),
        *PAIRS.fields,
        pa.field("relative_gain", pa.float64()),
        *VERDICT.fields,
        *TRIALS.fields,
    ]
)
"""Columns of `effects`; conditions other than task and data fraction follow, as columns named by their path."""


def effects_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return the effects of one study from its records (in `RECORD_SCHEMA`).

    One row for each arm and metric over all conditions (family `pooled`) and in each condition (family `cells`).
    P-values are corrected within the rows that share family and metric. docs/statistics.md says why.
    """
    if plan.reference is None:
        raise AnalysisError(f"study {plan.study!r}: study.json: cells: none is of the reference arm; one must be")
    observations = observe(records, plan)
    rows: list[dict[str, Any]] = []
    arms = plan.arms
    for metric in _metrics(observations, plan):
        pairing = pairing_of(observations, plan, metric)
        rows += _family_rows([pairing.pooled(arm) for arm in arms], plan, observations, metric)
        cells = [pairing.in_condition(arm, label) for label in pairing.conditions for arm in arms]
        rows += _family_rows(cells, plan, observations, metric)
    return _with_condition_columns(rows, plan)


def primary_rows(records: pa.Table, plan: StudyPlan) -> list[dict[str, Any]]:
    """Return the rows of `effects_view` that answer the study: family `pooled`, headline metric."""
    return pooled_rows(observe(records, plan), plan)


def pooled_rows(observations: Observations, plan: StudyPlan) -> list[dict[str, Any]]:
    """Return the primary comparisons of what was observed."""
    return _family_rows(pooled_comparisons(observations, plan), plan, observations, plan.headline)


def pooled_comparisons(observations: Observations, plan: StudyPlan) -> list[ArmDifference]:
    """Return each arm's comparison with the reference over all conditions, on the headline metric."""
    pairing = pairing_of(observations, plan, plan.headline)
    return [pairing.pooled(arm) for arm in plan.arms]


def _metrics(observations: Observations, plan: StudyPlan) -> list[str]:
    """Headline first, seen or not, so that an incomplete study says what is missing."""
    return [plan.headline, *(metric for metric in observations.metrics if metric != plan.headline)]


def _family_rows(
    family: Sequence[ArmDifference], plan: StudyPlan, observations: Observations, metric: str
) -> list[dict[str, Any]]:
    compared = [item for item in family if item.arm != plan.reference]
    headline = metric == plan.headline
    found = judge(compared, plan, has_merit=has_merit(metric, plan), intervals=headline)
    judged = dict(zip(map(id, compared), found, strict=True))
    pairs = min((item.planned_pairs for item in compared), default=0)
    itself = _of_the_reference(len(compared), plan, plan.correction_of(len(compared), pairs))
    return [_row(item, plan, observations, judged.get(id(item), itself)) for item in family]


def _of_the_reference(compared: int, plan: StudyPlan, correction: Method) -> Judgement:
    """The reference arm is not compared; its row gives the level that others had to pass at first."""
    size = max(compared, 1)
    needed = pairs_needed(size, plan.comparisons.alpha * plan.spent(plan.reference or ""), correction)
    return Judgement(
        p_value=None,
        p_corrected=None,
        comparisons=1 if correction == "none" else size,
        pairs_needed=needed,
        verdict=REFERENCE,
        if_worst=REFERENCE,
    )


def _row(item: ArmDifference, plan: StudyPlan, observations: Observations, judgement: Judgement) -> dict[str, Any]:
    low, high = item.interval or (None, None)
    return {
        "study": plan.study,
        "family": item.family,
        "arm": item.arm,
        "is_reference": item.arm == plan.reference,
        "is_control": item.arm in plan.controls,
        **PLACE.row(item, observations, plan),
        "n": len(item.values),
        "mean": item.mean,
        "ci_low": low,
        "ci_high": high,
        "majority": item.majority,
        "lack": item.own_lack,
        "reference": plan.reference,
        "reference_mean": item.reference_mean,
        **PAIRS.row(item),
        "relative_gain": item.relative_gain,
        **VERDICT.row(judgement),
        **TRIALS.row(item),
    }


def _with_condition_columns(rows: list[dict[str, Any]], plan: StudyPlan) -> pa.Table:
    given = [plan.condition_of(row["condition"]) for row in rows]
    table = pa.Table.from_pylist(rows, schema=EFFECT_SCHEMA)
    for path in dict.fromkeys(path for cell in plan.cells for path in cell.condition):
        if path not in (plan.roles.task, plan.roles.data_fraction):
            table = table.append_column(path, typed_column(condition.get(path) for condition in given))
    return table
