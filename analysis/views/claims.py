"""The view `claims`: the comparisons that a study declared before it ran, each judged, and all corrected together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.analysis.pairing.claimed import Aim
from ablative.analysis.pairing.claimed import judge_claims
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import Place
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.pairing.paired import weighted_mean
from ablative.analysis.pairing.pairing import Pairing
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.plan import Claim
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.judged import PAIRS
from ablative.analysis.views.judged import TRIALS
from ablative.analysis.views.judged import VERDICT
from ablative.search_spaces.margins import margin_of
from ablative.splits import SHIFTED
from ablative.splits import is_shifted

CLAIM_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("claim", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("against", pa.string(), nullable=False),
        pa.field("claimed", pa.string(), nullable=False),
        pa.field("declared_late", pa.bool_(), nullable=False),
        pa.field("conditions", pa.list_(pa.string()), nullable=False),
        pa.field("metrics", pa.list_(pa.string()), nullable=False),
        pa.field("mean", pa.float64()),
        pa.field("against_mean", pa.float64()),
        *PAIRS.fields,
        pa.field("relative_gain", pa.float64()),
        *VERDICT.fields,
        *TRIALS.fields,
    ]
)

_MERGED = "claim"


def claims_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return the declared claims of one study from its records (in `RECORD_SCHEMA`), in the study's order.

    Pairs are blocks of a task and a seed, as in the family `pooled` of `effects`, over the conditions that the claim
    names. p-values are corrected over all claims of the study, regardless of metric and margin.
    """
    claims = plan.comparisons.claims
    if not claims:
        return CLAIM_SCHEMA.empty_table()
    observations = observe(records, plan)
    formed = {name: _comparison(claim, observations, plan) for name, claim in claims.items()}
    judged = judge_claims(list(formed.values()), [aim_of(claim) for claim in claims.values()], plan)
    rows = [
        _row(name, claims[name], item, observations, plan) | VERDICT.row(judgement)
        for (name, item), judgement in zip(formed.items(), judged, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=CLAIM_SCHEMA)


def aim_of(claim: Claim) -> Aim:
    """Return the statement that a claim makes."""
    if claim.at_least is not None:
        return Aim(kind="at least", margin=margin_of(claim.at_least))
    if claim.equivalent_within is not None:
        return Aim(kind="equivalent within", margin=margin_of(claim.equivalent_within))
    return Aim()


def metrics_of(claim: Claim, observations: Observations, plan: StudyPlan) -> list[str]:
    """Return the metrics that a claim averages: the target's on those of its splits seen, or the headline."""
    if not claim.splits:
        return [plan.headline]
    names = [metric.partition("/") for metric in observations.metrics]
    return [f"{split}/{name}" for split, _, name in names if name == plan.target.name and _meant(split, claim)]


def _meant(split: str, claim: Claim) -> bool:
    return split in claim.splits or (SHIFTED in claim.splits and is_shifted(split))


def _comparison(claim: Claim, observations: Observations, plan: StudyPlan) -> ArmDifference:
    merged = _merged(metrics_of(claim, observations, plan), observations)
    pairing = pairing_of(replace(observations, values={_MERGED: merged}), plan, _MERGED).against(claim.against)
    return _within(claim, pairing, plan).pooled(claim.arm)


def _within(claim: Claim, pairing: Pairing, plan: StudyPlan) -> Pairing:
    meant = {
        cell.label
        for cell in plan.cells
        if all(cell.condition.get(path) in values for path, values in claim.where.items())
    }
    return replace(pairing, conditions=tuple(label for label in pairing.conditions if label in meant))


def _merged(metrics: list[str], observations: Observations) -> Mapping[Place, Mapping[int, float]]:
    """The mean over a condition's metrics, for each seed that has them all."""
    of_condition: dict[str, list[str]] = {}
    for metric in metrics:
        for condition in dict.fromkeys(label for _, label in observations.values.get(metric, {})):
            of_condition.setdefault(condition, []).append(metric)
    merged: dict[Place, dict[int, float]] = {}
    for place in dict.fromkeys(place for metric in metrics for place in observations.values.get(metric, {})):
        parts = [observations.of(metric, place) for metric in of_condition[place[1]]]
        seeds = set.intersection(*(set(part) for part in parts))
        merged[place] = {seed: float(np.mean([part[seed] for part in parts])) for seed in sorted(seeds)}
    return merged


def _row(name: str, claim: Claim, item: ArmDifference, observations: Observations, plan: StudyPlan) -> dict[str, Any]:
    paired = [first + second for first, second in zip(item.differences, item.reference, strict=True)]
    return {
        "study": plan.study,
        "claim": name,
        "arm": claim.arm,
        "against": claim.against,
        "claimed": aim_of(claim).kind,
        "declared_late": f"claim {name}" in plan.late,
        "conditions": [f"{path}={value}" for path, values in claim.where.items() for value in values],
        "metrics": metrics_of(claim, observations, plan),
        "mean": weighted_mean(paired, item.weights),
        "against_mean": item.reference_mean,
        **PAIRS.row(item),
        "relative_gain": item.relative_gain,
        **TRIALS.row(item),
    }
