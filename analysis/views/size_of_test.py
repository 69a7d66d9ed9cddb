"""The view `test_size`: how uncertain the choice of test examples leaves a difference, besides the seeds."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.analysis.numbers.examples import ExampleVariance
from ablative.analysis.numbers.examples import both_interval
from ablative.analysis.numbers.examples import example_variance
from ablative.analysis.numbers.examples import summed
from ablative.analysis.numbers.paired_tests import by_cluster
from ablative.analysis.numbers.statistics import t_interval
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.outcomes import UNKNOWN
from ablative.analysis.pairing.outcomes import Outcomes
from ablative.analysis.pairing.outcomes import PairedScores
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.pairing.paired import weighted_mean
from ablative.analysis.pairing.pairing import Pairing
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.plan import StudyPlan

TEST_SIZE_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("n_pairs", pa.int64(), nullable=False),
        pa.field("examples", pa.int64(), nullable=False),
        pa.field("clusters", pa.int64(), nullable=False),
        pa.field("difference", pa.float64()),
        pa.field("diff_ci_low", pa.float64()),
        pa.field("diff_ci_high", pa.float64()),
        pa.field("example_half", pa.float64()),
        pa.field("both_ci_low", pa.float64()),
        pa.field("both_ci_high", pa.float64()),
        pa.field("note", pa.string(), nullable=False),
    ]
)

UNRECORDED = "no predictions of both arms are kept in every condition"
NO_MEAN = "the metric is no mean over examples or rows, so nothing is known of single ones"
_ALIKE = 1e-6
"""Between a recorded metric and the mean of its outcomes."""


def size_of_test_view(observations: Observations, outcomes: Outcomes, plan: StudyPlan) -> pa.Table:
    """Return one row per arm over all conditions and in each, on the headline metric; `outcomes`: of its split.

    Differences are those of `effects`. The interval over seeds and test examples is null if predictions are not kept,
    and if the metric is not the mean of their scores.
    """
    pairing = pairing_of(observations, plan, plan.headline)
    rows = []
    for arm in (name for name in plan.arms if name != plan.reference):
        found = {label: _in_condition(arm, label, pairing, outcomes) for label in pairing.conditions}
        rows.append(_row(pairing.pooled(arm), found, _weights(arm, pairing), plan))
        rows += [_row(pairing.in_condition(arm, label), found, {label: 1.0}, plan) for label in pairing.conditions]
    return pa.Table.from_pylist(rows, schema=TEST_SIZE_SCHEMA)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcomes:
    """Differences of one arm in one condition, by cluster of its test set."""

    data: str
    seeds: tuple[int, ...]
    examples: int
    """The items whose mean is the metric."""
    means: np.ndarray
    """Each cluster's part of the mean difference under each seed, shape (seeds, clusters)."""
    shares: np.ndarray
    """Each cluster's share of the examples, shape (clusters,)."""
    clusters: np.ndarray
    """Their numbers."""
    known: bool


def _in_condition(arm: str, label: str, pairing: Pairing, outcomes: Outcomes) -> _Outcomes | str:
    """Return the outcomes of an arm less the reference's, or why there are none."""
    paired = outcomes.paired(arm, pairing.reference, label)
    if not paired.seeds or not paired.rows.size:
        return UNRECORDED
    found = _of_the_metric(paired, [pairing.of(name, label) for name in (arm, pairing.reference)])
    if found is None:
        return NO_MEAN
    differences, clusters = found
    sums, sizes = by_cluster(differences, clusters)
    return _Outcomes(
        data=paired.data,
        seeds=paired.seeds,
        examples=differences.shape[1],
        means=sums / differences.shape[1],
        shares=sizes / sizes.sum(),
        clusters=clusters[np.sort(np.unique(clusters, return_index=True)[1])],
        known=paired.known,
    )


def _of_the_metric(
    paired: PairedScores, values: Sequence[Mapping[int, float]]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the differences whose means are those of the recorded `values` of both arms, and their clusters.

    Items are single examples, or rows that are right if all their examples are (VCR's Q->AR).
    """
    sides = (paired.arm, paired.reference)
    _, first, codes = np.unique(paired.rows, return_index=True, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(first.size))
    whole = [np.multiply.reduceat(side[:, order], starts, axis=1) for side in sides]
    for outcomes, clusters in ((sides, paired.clusters), (whole, paired.clusters[first])):
        if all(
            abs(side[place].mean() - recorded.get(seed, np.inf)) <= _ALIKE
            for side, recorded in zip(outcomes, values, strict=True)
            for place, seed in enumerate(paired.seeds)
        ):
            return outcomes[0] - outcomes[1], clusters
    return None


def _weights(arm: str, pairing: Pairing) -> dict[str, float]:
    """Return what a condition's difference counts in the mean over all blocks."""
    item = pairing.pooled(arm)
    counts = list(zip(item.blocks, item.counts_of_pairs, strict=True))
    whole = sum(item.counts_of_pairs)
    found = {}
    for labels in pairing.strata(None):
        stratum = pairing.block_of((labels[0], 0))[0]
        share = sum(count for (name, _), count in counts if name == stratum) / whole if counts else 0.0
        own = [pairing.weight(label) for label in labels]
        found.update({label: share * weight / sum(own) for label, weight in zip(labels, own, strict=True)})
    return found


def _row(
    item: ArmDifference, found: Mapping[str, _Outcomes | str], weights: Mapping[str, float], plan: StudyPlan
) -> dict[str, Any]:
    parts = [found[label] for label in weights]
    known = [part for part in parts if isinstance(part, _Outcomes)]
    reasons = [part for part in parts if isinstance(part, str)]
    variances = None if reasons else _variances(known, list(weights.values()))
    total = summed(variances) if variances else None
    low, high = t_interval(item.differences, weights=item.weights) or (None, None)
    ends = None if total is None else both_interval(item.differences, total, item.weights)
    independent = UNKNOWN if known and not all(part.known for part in known) else ""
    return {
        "study": plan.study,
        "family": item.family,
        "arm": item.arm,
        "condition": item.condition,
        "metric": item.metric,
        "n_pairs": len(item.differences),
        "examples": sum({part.data: part.examples for part in known}.values()),
        "clusters": 0 if total is None else total.clusters,
        "difference": weighted_mean(item.differences, item.weights),
        "diff_ci_low": low,
        "diff_ci_high": high,
        "example_half": None if total is None else total.half,
        "both_ci_low": ends and ends[0],
        "both_ci_high": ends and ends[1],
        "note": reasons[0] if reasons else independent,
    }


def _variances(parts: Sequence[_Outcomes], weights: Sequence[float]) -> list[ExampleVariance] | None:
    """Return the variance from each test set; None if one of them has none."""
    found = []
    for data in dict.fromkeys(part.data for part in parts):
        here = [(part, weight) for part, weight in zip(parts, weights, strict=True) if part.data == data]
        seeds = sorted(set.intersection(*(set(part.seeds) for part, _ in here)))
        width = 1 + max(int(part.clusters.max()) for part, _ in here)
        sums, shares = np.zeros((len(seeds), width)), np.zeros(width)
        for part, weight in here:
            sums[:, part.clusters] += weight * part.means[[part.seeds.index(seed) for seed in seeds]]
            shares[part.clusters] += weight * part.shares
        seen = np.flatnonzero(shares)
        found.append(example_variance(sums[:, seen], shares[seen]))
    return None if None in found or not found else [one for one in found if one is not None]
